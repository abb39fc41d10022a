//! The kernel's `.config` as Kconfig wrote it. It knows the file's syntax only.

use std::collections::BTreeMap;

/// The options of a `.config` that are not off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DotConfig {
    values: BTreeMap<String, String>,
}

impl DotConfig {
    /// Reads the text of a `.config`. Options that are off are written as
    /// comments and stay out, like everything else that is no option.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let values = text
            .lines()
            .filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='))
            .filter(|(_, value)| *value != "n")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { values }
    }

    /// The value as written (text with its quotes), or none where the option is
    /// off.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&str> {
        self.values.get(symbol).map(String::as_str)
    }

    /// How many options are built in.
    #[must_use]
    pub fn built_in(&self) -> usize {
        self.values.values().filter(|value| *value == "y").count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_and_what_is_off_is_not() {
        let config = DotConfig::parse(
            "#\n# Linux/x86 6.12.48 Kernel Configuration\n#\nCONFIG_A=y\n# CONFIG_B is not set\n\
             CONFIG_C=\"a=b\"\nCONFIG_D=240\nCONFIG_E=n\n",
        );
        assert_eq!(config.get("A"), Some("y"));
        assert_eq!(config.get("B"), None);
        assert_eq!(config.get("C"), Some("\"a=b\""));
        assert_eq!(config.get("D"), Some("240"));
        assert_eq!(config.get("E"), None);
        assert_eq!(config.built_in(), 1);
    }
}
