#!/bin/sh
# Makes the certificates of this folder anew, with OpenSSL 3. The keys are thrown away.
# Run it only to add a case: serials, keys and fingerprints change.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

cat > openssl.cnf <<'CNF'
oid_section = oids
[oids]
odd = 1.2.3.4.5
[req]
distinguished_name = dn
prompt = no
utf8 = yes
string_mask = ${ENV::MASK}
[dn]
[ca]
default_ca = ca_default
[ca_default]
new_certs_dir = .
database = index.txt
serial = serial
default_md = default
policy = policy
unique_subject = no
preserve = yes
[policy]
CNF
export MASK=utf8only

# key NAME ALGORITHM [OPTION...]
key() { name=$1; shift; openssl genpkey -out "$name.key" -algorithm "$@" 2>/dev/null; }

# cert NAME SUBJECT START END SERIAL ISSUER EXTENSIONS; ISSUER is NAME itself for a self-signed one
cert() {
    openssl req -new -utf8 -config openssl.cnf -key "$1.key" -subj "$2" -out "$1.csr"
    : > index.txt
    echo "$5" > serial
    printf "$7" > "$1.ext"
    if [ "$6" = "$1" ]; then from="-selfsign -keyfile $1.key"; else from="-keyfile $6.key -cert $6.pem"; fi
    ext="-extfile $1.ext"
    [ -n "$7" ] || ext=
    # shellcheck disable=SC2086
    openssl ca -preserveDN -batch -notext -config openssl.cnf $from -in "$1.csr" -startdate "$3" -enddate "$4" \
        $ext -out "$1.pem" 2>/dev/null
}
p256() { key "$1" EC -pkeyopt ec_paramgen_curve:P-256; }
START=20250101000000Z
END=20300101000000Z
SKI='subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
CA='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
san() { printf 'subjectAltName=DNS:%s' "$1"; }

for bits in 2048 4096; do
    key "rsa$bits" RSA -pkeyopt rsa_keygen_bits:$bits
    cert "rsa$bits" "/CN=rsa$bits.example.com" $START $END 1000 "rsa$bits" "$(san rsa$bits.example.com)"
done
key rsapss RSA-PSS -pkeyopt rsa_keygen_bits:2048
cert rsapss "/CN=rsapss.example.com" $START $END 1001 rsapss "$(san rsapss.example.com)"
for size in 256 384 521; do
    key "p$size" EC -pkeyopt ec_paramgen_curve:P-$size
    cert "p$size" "/CN=p$size.example.com" $START $END 1002 "p$size" "$(san p$size.example.com)"
done
key secp256k1 EC -pkeyopt ec_paramgen_curve:secp256k1
cert secp256k1 "/CN=secp256k1.example.com" $START $END 1003 secp256k1 "$(san secp256k1.example.com)"
for name in ed25519 ed448; do
    key $name $name
    cert $name "/CN=$name.example.com" $START $END 1004 $name "$(san $name.example.com)"
done

for name in expired forever before1970 ip manysans utf8dn odddn multirdn nocn v1 bmp t61 manyserial zeropad nosans othernames; do p256 $name; done
cert expired "/CN=expired.example.com" 20230101000000Z 20240101000000Z 2000 expired "$(san expired.example.com)"
cert forever "/CN=device.example.com" $START 99991231235959Z 2001 forever "$(san device.example.com)"
cert before1970 "/CN=before1970.example.com" 500101000000Z 691231235959Z 2002 before1970 ""
cert ip "/CN=ip.example.com" $START $END 2003 ip 'subjectAltName=IP:192.0.2.7,IP:2001:db8::7,DNS:ip.example.com'
many=$(seq -f 'DNS:host-%04g.some-longer-name.example.org' -s, 1 120)
cert manysans "/CN=many.example.org" $START $END 2004 manysans "subjectAltName=$many"
cert utf8dn "/C=SE/O=Åkerö Brödbod/CN=brödbod.example.com" $START $END 2005 utf8dn "$(san xn--brdbod-wxa.example.com)"
cert odddn "/DC=com/DC=example/O=Smith, \"Jones\" \\+ Sons; <Ltd>\\\\x=1/OU=#1 unit /emailAddress=ops@example.com/serialNumber=42/odd=odd/CN= two
lines " $START $END 2006 odddn ""
openssl req -new -config openssl.cnf -key multirdn.key -subj "/O=Example/OU=ops+CN=multi.example.com" -multivalue-rdn -out multirdn.csr
: > index.txt; echo 2007 > serial
openssl ca -preserveDN -batch -notext -config openssl.cnf -selfsign -keyfile multirdn.key -in multirdn.csr -startdate $START -enddate $END -multivalue-rdn -out multirdn.pem 2>/dev/null
cert nocn "/O=Example Without Name" $START $END 2008 nocn 'subjectAltName=critical,DNS:nocn.example.com'
cert v1 "/CN=v1.example.com" $START $END 2009 v1 ""
MASK=MASK:2048 cert bmp "/O=Überbau/CN=bmp.example.com" $START $END 2010 bmp ""
MASK=MASK:4 cert t61 "/O=Überbau/CN=t61.example.com" $START $END 2011 t61 ""
cert manyserial "/CN=manyserial.example.com" $START $END 7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF manyserial ""
cert nosans "/CN=nosans.example.com" $START $END 0A nosans "$SKI"
cert othernames "/CN=othernames.example.com" $START $END 2012 othernames 'subjectAltName=email:ops@example.com,URI:spiffe://example.com/ns/x,otherName:1.2.3.4;UTF8:hello,RID:1.2.3.5,dirName:dir\n[dir]\nO=Example\nCN=in, dir'
p256 negserial
openssl req -new -config openssl.cnf -key negserial.key -subj /CN=negserial.example.com -out negserial.csr
openssl x509 -req -in negserial.csr -key negserial.key -set_serial -15 -days 3650 -out negserial.pem 2>/dev/null

for name in root other intermediate leaf cross; do p256 $name; done
cert root "/C=SE/O=Example Trust/CN=Example Root" $START 20400101000000Z 3000 root "$CA$SKI"
cert other "/C=SE/O=Older Trust/CN=Older Root" $START 20400101000000Z 3001 other "$CA$SKI"
cert intermediate "/C=SE/O=Example Trust/CN=Example Issuing 1" $START 20350101000000Z 3002 root "$CA$SKI"
cert leaf "/CN=www.example.com" $START $END 3003 intermediate "$SKI$(san www.example.com),DNS:*.www.example.com"
cert zeropad "/CN=zeropad.example.com" $START $END 0087654321 root "$SKI$(san zeropad.example.com)"
cp root.key cross.key
cert cross "/C=SE/O=Example Trust/CN=Example Root" $START 20350101000000Z 3004 other "$CA$SKI"
cat leaf.pem intermediate.pem root.pem > chain.pem

rm -f "$out"/*.pem "$out"/*.der
rm -f [0-9A-F]*.pem
cp ./*.pem "$out"
openssl x509 -in p256.pem -outform DER -out "$out/p256.der"
