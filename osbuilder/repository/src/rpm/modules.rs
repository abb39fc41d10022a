//! The list of modules (`modules.yaml`) of a repository: which packages belong
//! to one. Modules are never enabled, so these packages are left out. It reads
//! that one list of each document and nothing else.

use std::collections::HashSet;

use serde::Deserialize;

use super::error::IndexError;

/// Largest list of modules when unpacked, in bytes.
pub(super) const MAX_MODULES: u64 = 64 << 20;

/// One document: a module's stream, or its defaults. The format is another
/// project's and has many more keys.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    artifacts: Option<Artifacts>,
}

#[derive(Deserialize)]
struct Artifacts {
    #[serde(default)]
    rpms: Vec<String>,
}

/// All packages of modules, as `name-epoch:version-release.architecture`.
pub(super) fn packages(yaml: &[u8]) -> Result<HashSet<String>, IndexError> {
    let text = std::str::from_utf8(yaml)
        .map_err(|_| IndexError::Value("the list of modules is not UTF-8".to_owned()))?;
    let mut packages = HashSet::new();
    for (index, document) in documents(text).into_iter().enumerate() {
        let document: Option<Document> = serde_saphyr::from_str(document).map_err(|error| {
            IndexError::Modules { document: index + 1, reason: error.to_string() }
        })?;
        let artifacts = document.and_then(|document| document.data).and_then(|d| d.artifacts);
        packages.extend(artifacts.map(|artifacts| artifacts.rpms).unwrap_or_default());
    }
    Ok(packages)
}

/// The documents of a stream, each with bounds of its own: a line `---` begins
/// one, and `...` ends it.
fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let word = line.trim_end();
        if word == "---" || word == "..." {
            documents.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_all_documents_are_found() {
        let yaml = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: 18\n  \
                    license:\n    module: [MIT]\n  description: >-\n    Text with --- in it.\n  \
                    artifacts:\n    rpms:\n    - nodejs-1:18.2.0-1.module_el9+1.x86_64\n    \
                    - npm-1:8.9.0-1.module_el9+1.x86_64\n...\n---\n\
                    document: modulemd-defaults\nversion: 1\ndata:\n  module: nodejs\n...\n";
        let found = packages(yaml.as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.contains("npm-1:8.9.0-1.module_el9+1.x86_64"));
        assert!(packages(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        let error = packages(b"---\ndata: {}\n---\ndata: [\n").unwrap_err().to_string();
        assert!(error.starts_with("document 2 of the list of modules: "), "{error}");
        assert!(packages(b"data: \xff").is_err());
        // Anchors that multiply.
        let mut bomb = String::from("a0: &a0 [x]\n");
        for i in 1..30 {
            let alias = format!("*a{}, ", i - 1).repeat(9);
            bomb.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
        }
        bomb.push_str("data: {artifacts: {rpms: *a29}}\n");
        assert!(packages(bomb.as_bytes()).is_err());
    }
}
