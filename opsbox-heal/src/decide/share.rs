//! A share of a whole, in percent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share from 0 % to 100 %, in whole percent; `"25%"` in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(u8);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(100);

    /// A share in percent; more than 100 is 100.
    pub const fn percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// In percent.
    pub const fn as_percent(self) -> u8 {
        self.0
    }

    /// How many of so many that is, rounded down.
    pub fn of(self, total: u32) -> u32 {
        let part = u64::from(total) * u64::from(self.0) / 100;
        u32::try_from(part).unwrap_or(u32::MAX)
    }

    /// Whether so many of so many are this share or more; of none, never.
    pub fn is_reached(self, part: u32, total: u32) -> bool {
        total > 0 && u64::from(part) * 100 >= u64::from(total) * u64::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .filter(|&percent| percent <= 100)
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is no share; write whole percent from \"0%\" to \"100%\"")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_counted() {
        let quarter: Share = "25%".to_owned().try_into().unwrap();
        assert_eq!(quarter, Share::percent(25));
        assert_eq!(quarter.of(7), 1);
        assert!(quarter.is_reached(1, 4));
        assert!(!quarter.is_reached(1, 5));
        assert!(!quarter.is_reached(0, 0));
        for bad in ["25", "101%", "-1%", "%", "1.5%"] {
            let error = Share::try_from(bad.to_owned()).unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
    }
}
