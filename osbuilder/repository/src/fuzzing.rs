//! Entry points for fuzzing: one function for each parser of fetched bytes.
//!
//! Each takes any bytes, calls its parser as the product does but past the
//! digests and signatures that stop a stranger's bytes, and checks what holds
//! of every answer. It exists in tests and with the feature `fuzzing`; it is no
//! API. A new parser gets a function beside it, a line here, a program in
//! `fuzz/fuzz_targets` and a folder of seeds in `fuzz/seeds`.

pub use crate::apk::fuzzing as apk;
pub use crate::deb::fuzzing as deb;
pub use crate::openpgp::fuzzing as openpgp;
pub use crate::rpm::fuzzing as rpm;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: &[Target] = &[
    ("apk_index", apk::index),
    ("apk_package", apk::package),
    ("apk_pkginfo", apk::pkginfo),
    ("apk_tar_segment", apk::tar_segment),
    ("apk_version", apk::version),
    ("deb_ar", deb::ar),
    ("deb_cache", deb::cache),
    ("deb_compression", deb::compression),
    ("deb_control", deb::control),
    ("deb_host_sources", deb::host_sources),
    ("deb_package", deb::package),
    ("deb_packages", deb::packages),
    ("deb_release", deb::release),
    ("deb_version", deb::version),
    ("openpgp_cleartext", openpgp::cleartext),
    ("openpgp_keyring", openpgp::keyring),
    ("openpgp_signature", openpgp::signature),
    ("rpm_capabilities", rpm::capabilities),
    ("rpm_expression", rpm::expression),
    ("rpm_files", rpm::files),
    ("rpm_modules", rpm::modules),
    ("rpm_package", rpm::package),
    ("rpm_primary", rpm::primary),
    ("rpm_repomd", rpm::repomd),
    ("rpm_version", rpm::version),
];

/// Checks that an order does not contradict itself on three versions, which
/// stand on the lines of `bytes`.
pub(crate) fn order(bytes: &[u8], compare: impl Fn(&str, &str) -> std::cmp::Ordering) {
    let text = String::from_utf8_lossy(bytes);
    let versions: Vec<&str> = text.splitn(3, '\n').collect();
    for left in &versions {
        assert!(compare(left, left).is_eq(), "{left:?} is not equal to itself");
        for right in &versions {
            let (there, back) = (compare(left, right), compare(right, left));
            assert_eq!(there, back.reverse(), "{left:?} against {right:?}");
        }
    }
    let [a, b, c] = versions[..] else { return };
    for (a, b, c) in [(a, b, c), (b, c, a), (c, a, b), (a, c, b), (c, b, a), (b, a, c)] {
        if compare(a, b).is_le() && compare(b, c).is_le() {
            assert!(compare(a, c).is_le(), "{a:?} <= {b:?} <= {c:?}, but not {a:?} <= {c:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    hostile::tests!(super::TARGETS);
}
