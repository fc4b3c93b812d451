//! Names of columns as a format can have them as keys.

use std::collections::HashMap;

/// The names with `_` for the characters that a key cannot have, each another: what would be the same has a number
/// at its end. Names that are as they may be stay so.
pub(super) fn keys<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    may_have: impl Fn(char) -> bool,
) -> Vec<String> {
    let fits = |name: &str| !name.is_empty() && name.chars().all(&may_have);
    // How many had this key, or asked for it.
    let mut taken: HashMap<String, usize> = HashMap::new();
    for name in names.clone().filter(|name| fits(name)) {
        taken.insert(name.to_owned(), 1);
    }
    let mut keys = Vec::new();
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for name in names {
        if fits(name) && seen.insert(name, ()).is_none() {
            keys.push(name.to_owned());
            continue;
        }
        let one = |char| if may_have(char) { char } else { '_' };
        let base: String = match name.is_empty() {
            true => "_".to_owned(),
            false => name.chars().map(one).collect(),
        };
        let mut key = base.clone();
        while taken.contains_key(&key) {
            let count = taken.entry(base.clone()).or_insert(1);
            *count += 1;
            key = format!("{base}_{count}");
        }
        taken.insert(key.clone(), 1);
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let names = ["a b", "a_b", "a=b", "", "_", "a_b_2", "c", "c"];
        let keys = keys(names.into_iter(), |char| {
            char.is_ascii_alphanumeric() || char == '_'
        });
        assert_eq!(
            keys,
            ["a_b_3", "a_b", "a_b_4", "__2", "_", "a_b_2", "c", "c_2"]
        );
    }
}
