//! The guest's packet filter, as the programs of iptables read and write it: their
//! text is the API. Starts one program and knows no rule.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::reaper::{LARGEST_OUTPUT, Reaper};

/// Where the programs may be, in this order.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Seconds for which a program waits for others that change the tables.
const LOCK_WAIT: &str = "5";

/// Longer than that wait, and long enough for a guest without hardware's help.
const DEADLINE: Duration = Duration::from_secs(30);

/// Which tables, and where their programs are.
#[derive(Debug, Clone)]
pub struct Tables<'a> {
    reaper: &'a Reaper,
    folders: Vec<PathBuf>,
    name: &'static str,
}

/// Why the tables can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The guest image lacks iptables.
    #[error("there is no {program} in the guest image, neither in {}", .folders.join(" nor in "))]
    NoProgram {
        /// What was looked for.
        program: String,
        /// Where.
        folders: Vec<String>,
    },
    /// The program does not take the text.
    #[error("{program} does not take these rules: {said}")]
    Rules {
        /// Path of the program.
        program: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The program fails for another reason, such as a kernel without tables.
    #[error("{program} ended with {code}: {said}")]
    Failed {
        /// Path of the program.
        program: String,
        /// Its exit status.
        code: i32,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The rules are too many.
    #[error("the rules are longer than {LARGEST_OUTPUT} bytes")]
    TooLong,
    /// The program can't be run.
    #[error("can't run {program}: {source}")]
    Run {
        /// Path of the program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

impl<'a> Tables<'a> {
    /// The tables for IPv4 or IPv6.
    #[must_use]
    pub fn new(reaper: &'a Reaper, is_ipv6: bool) -> Self {
        let name = if is_ipv6 { "ip6tables" } else { "iptables" };
        Self { reaper, folders: FOLDERS.map(PathBuf::from).to_vec(), name }
    }

    /// All rules, as `iptables-save` writes them.
    ///
    /// # Errors
    ///
    /// [`TablesError`].
    pub async fn save(&self) -> Result<String, TablesError> {
        let rules = self.run("save", &[], &[]).await?;
        // What is longer has been cut off, and half of the rules is worse than none.
        if rules.len() >= LARGEST_OUTPUT {
            return Err(TablesError::TooLong);
        }
        Ok(rules)
    }

    /// Replaces the rules of every table that `rules` has; returns what
    /// `iptables-restore` says about it.
    ///
    /// # Errors
    ///
    /// [`TablesError`].
    pub async fn restore(&self, rules: &[u8]) -> Result<String, TablesError> {
        self.run("restore", &["--wait", LOCK_WAIT], rules).await
    }

    async fn run(
        &self,
        verb: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<String, TablesError> {
        let name = format!("{}-{verb}", self.name);
        let found = self.folders.iter().map(|folder| folder.join(&name));
        let Some(path) = found.into_iter().find(|path| path.exists()) else {
            let folders = self.folders.iter().map(|folder| folder.display().to_string());
            return Err(TablesError::NoProgram { program: name, folders: folders.collect() });
        };
        let program = path.display().to_string();
        let finished = self
            .reaper
            .feed(Command::new(&path).args(arguments), input, DEADLINE)
            .await
            .map_err(|source| TablesError::Run { program: program.clone(), source })?;
        let said = finished.stderr.trim().to_owned();
        match finished.exit.code {
            0 => Ok(finished.stdout),
            // As iptables(8) has it: of a mistake in what it was given.
            1 | 2 if !input.is_empty() => Err(TablesError::Rules { program, said }),
            code => Err(TablesError::Failed { program, code, said }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::alone;
    use super::*;
    use crate::reaper::Scope;

    #[test]
    fn rules_go_in_and_come_out_again() {
        alone(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let reaper = Arc::new(Reaper::new(Scope::OwnChildren));
                reaper.start().unwrap();
                for (is_ipv6, address) in [(false, "192.0.2.7/32"), (true, "2001:db8::7/128")] {
                    let tables = Tables::new(&reaper, is_ipv6);
                    let rule = format!("-A INPUT -s {address} -j DROP");
                    // More than a pipe holds at a time.
                    let rules: String =
                        (0..4000).map(|n| format!("# comment {n} of many in a row\n")).collect();
                    let rules = format!("{rules}*filter\n{rule}\nCOMMIT\n");
                    tables.restore(rules.as_bytes()).await.unwrap();
                    let saved = tables.save().await.unwrap();
                    assert!(saved.lines().any(|line| line == rule), "{saved}");
                    let wrong = tables.restore(b"*filter\n-A INPUT -j NOWHERE\nCOMMIT\n").await;
                    let wrong = wrong.unwrap_err();
                    assert!(matches!(wrong, TablesError::Rules { .. }), "{wrong}");
                    assert!(wrong.to_string().contains("ip"), "{wrong}");
                    assert_eq!(
                        tables.save().await.unwrap().lines().filter(|line| *line == rule).count(),
                        1,
                        "a wrong table changes nothing"
                    );
                }
            });
        });
    }

    #[tokio::test]
    async fn a_guest_without_iptables() {
        let reaper = Reaper::new(Scope::OwnChildren);
        let folders = vec!["/nowhere".into(), "/nor/there".into()];
        let tables = Tables { folders, ..Tables::new(&reaper, true) };
        assert_eq!(
            tables.save().await.unwrap_err().to_string(),
            "there is no ip6tables-save in the guest image, neither in /nowhere nor in /nor/there"
        );
    }
}
