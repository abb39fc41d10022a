//! Several suites of one archive as one index: distros that never change a
//! suite once it is released put what they mend into suites beside it. Each is
//! verified as if it stood alone.

use std::collections::HashSet;

use artifact_store::{Progress, Store};
use sha2::{Digest, Sha256};

use super::repository::{DebSource, RepositoryError, open};
use crate::index::Index;

/// Opens `source` and, on the same mirrors and with the same trust, the suites
/// of `updates`. A package that several of them have is there once.
///
/// # Errors
/// The first suite that can't be used.
pub fn open_suites(
    store: &Store,
    source: &DebSource,
    updates: &[String],
    progress: &dyn Progress,
) -> Result<Index, RepositoryError> {
    let mut whole = open(store, source, progress)?;
    if updates.is_empty() {
        return Ok(whole);
    }
    let mut digest = Sha256::new_with_prefix(whole.index_sha256);
    for suite in updates {
        let part = open(store, &DebSource { suite: suite.clone(), ..source.clone() }, progress)?;
        digest.update(part.index_sha256);
        add(&mut whole, part, suite);
    }
    whole.index_sha256 = digest.finalize().into();
    Ok(whole)
}

fn add(whole: &mut Index, part: Index, suite: &str) {
    let key = |package: &crate::Package| {
        (package.name.clone(), package.version.clone(), package.architecture.clone())
    };
    let known: HashSet<_> = whole.packages.iter().map(key).collect();
    whole.packages.extend(part.packages.into_iter().filter(|new| !known.contains(&key(new))));
    for mirror in part.mirrors {
        if !whole.mirrors.contains(&mirror) {
            whole.mirrors.push(mirror);
        }
    }
    for signer in part.signed_by {
        if !whole.signed_by.contains(&signer) {
            whole.signed_by.push(signer);
        }
    }
    whole.files.extend(part.files);
    whole.description += &format!(" + {suite}");
    whole.date = whole.date.max(part.date);
}
