// Reads the certificates of a PEM file again and again with Go's crypto/x509, for the bench `certificates`:
//
//	go build -o scan benches/go/scan.go && ./scan FILE SECONDS
//
// prints how many certificates it read, and the CPU seconds of it.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	check(err)
	count, end, before := 0, time.Now().Add(time.Duration(seconds*1e9)), cpu()
	for time.Now().Before(end) {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			_, err := x509.ParseCertificate(block.Bytes)
			check(err)
			count++
		}
	}
	fmt.Println(count, cpu()-before)
}

// CPU seconds of the process, so those of the garbage collector too.
func cpu() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
