//! Huge pages for a filesystem of them: the kernel sets none aside by itself.

use std::path::PathBuf;

use super::StorageError;
use crate::os::Os;

const POOLS: &str = "/sys/kernel/mm/hugepages";

/// Sets as many pages aside as `size=` of these options takes in pages of
/// `pagesize=`, besides those that there are.
pub(super) fn reserve(os: &dyn Os, options: &[String]) -> Result<(), StorageError> {
    let page = bytes(options, "pagesize")?;
    let size = bytes(options, "size")?;
    if page == 0 || !page.is_multiple_of(1024) {
        return Err(StorageError::option("pagesize", "it is no number of KiB"));
    }
    let wanted = size.div_ceil(page);
    let pool = PathBuf::from(format!("{POOLS}/hugepages-{}kB", page / 1024)).join("nr_hugepages");
    let shown = pool.display().to_string();
    let read = || -> Result<u64, StorageError> {
        let text = os.read(&pool).map_err(StorageError::refused(shown.clone()))?;
        let number = text.trim().parse();
        number.map_err(|_| StorageError::option("pagesize", format!("{shown} holds no number")))
    };
    let before = read()?;
    let total = before.saturating_add(wanted);
    os.write(&pool, total.to_string().as_bytes()).map_err(StorageError::refused(shown.clone()))?;
    // The kernel takes any number and sets aside what it can.
    let after = read()?;
    if after < total {
        let _ = os.write(&pool, before.to_string().as_bytes());
        let short = format!("{wanted} pages of {page} bytes are due, and there is room for ");
        return Err(StorageError::option(
            "size",
            short + &after.saturating_sub(before).to_string(),
        ));
    }
    Ok(())
}

/// The number behind `key=`, with the endings of mount(8).
fn bytes(options: &[String], key: &str) -> Result<u64, StorageError> {
    let value = options.iter().find_map(|option| option.strip_prefix(key)?.strip_prefix('='));
    let Some(value) = value else {
        return Err(StorageError::option(key, "huge pages need it"));
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match value[digits.len()..].to_ascii_lowercase().trim_end_matches(['b', 'i']) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(StorageError::option(value, "its unit is none of K, M and G")),
    };
    let plain = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    plain.ok_or_else(|| StorageError::option(value, "it is no number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_units() {
        let ask = |text: &str| bytes(&[format!("size={text}")], "size");
        for (text, number) in [("0", 0), ("4096", 4096), ("2M", 2 << 20), ("1Gi", 1 << 30)] {
            assert_eq!(ask(text).unwrap(), number, "{text}");
        }
        for text in ["", "M", "1T", "-1", "99999999999999999999", "18014398509481984K"] {
            assert!(ask(text).is_err(), "{text}");
        }
        assert!(bytes(&[], "size").unwrap_err().to_string().contains("huge pages need it"));
    }
}
