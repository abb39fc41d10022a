//! Log lines as JSON objects, one a line, to standard output and, when asked for,
//! to whoever connects on a vsock port. Fields and level names are those that log
//! tools for guests already read.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Map, json};

use crate::VERSION;

struct Logger {
    /// Lines for readers on vsock; set once there is a listener.
    readers: OnceLock<SyncSender<String>>,
    /// Keeps lines whole when two threads log.
    output: Mutex<()>,
}

static LOGGER: Logger = Logger { readers: OnceLock::new(), output: Mutex::new(()) };
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// How many lines wait for a slow reader before lines are dropped for it.
const BACKLOG: usize = 256;

/// Routes all log messages here, from INFO up. A second call does nothing.
pub fn install() {
    if !INSTALLED.swap(true, Ordering::SeqCst) && log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Sets the least important message that is logged.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Also sends the log to readers on vsock `port`, one at a time.
///
/// # Errors
///
/// When the port can't be listened on.
pub fn serve_on_vsock(port: u32) -> std::io::Result<()> {
    let listener = vsock::VsockListener::bind_with_cid_port(vsock::VMADDR_CID_ANY, port)?;
    let (sender, lines) = mpsc::sync_channel::<String>(BACKLOG);
    if LOGGER.readers.set(sender).is_err() {
        return Ok(());
    }
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        while let Ok((mut reader, _)) = listener.accept() {
            // A reader that stops reading must not hold this thread for ever.
            let _ = reader.set_write_timeout(Some(Duration::from_secs(10)));
            for line in &lines {
                if reader.write_all(line.as_bytes()).is_err() {
                    break;
                }
            }
        }
    })?;
    Ok(())
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format_line(record, since);
        {
            let _whole_line = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            // There is nowhere left to complain to.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
        if let Some(readers) = self.readers.get() {
            let _ = readers.try_send(line);
        }
    }

    fn flush(&self) {
        let _ = std::io::stdout().lock().flush();
    }
}

struct Fields<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.insert(key.to_string(), value.to_string().into());
        Ok(())
    }
}

fn format_line(record: &Record<'_>, since_1970: Duration) -> String {
    let level = match record.level() {
        Level::Error => "ERRO",
        Level::Warn => "WARN",
        Level::Info => "INFO",
        Level::Debug => "DEBG",
        Level::Trace => "TRCE",
    };
    let subsystem = match record.target().strip_prefix("kata_agent") {
        Some(module) => module.trim_start_matches("::").split("::").next().unwrap_or(""),
        None => record.target(),
    };
    let subsystem = if subsystem.is_empty() { "root" } else { subsystem };
    let mut object = Map::new();
    // What a caller adds comes first, so that it can't replace what must be there.
    let _ = record.key_values().visit(&mut Fields(&mut object));
    for (key, value) in [
        ("msg", json!(record.args().to_string())),
        ("level", json!(level)),
        ("ts", json!(timestamp(since_1970))),
        ("pid", json!(std::process::id().to_string())),
        ("version", json!(VERSION)),
        ("name", json!("kata-agent")),
        ("source", json!("agent")),
        ("subsystem", json!(subsystem)),
    ] {
        object.insert(key.to_owned(), value);
    }
    let mut line = serde_json::Value::Object(object).to_string();
    line.push('\n');
    line
}

/// RFC 3339 in UTC with nanoseconds, from a time since 1970.
fn timestamp(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, in_day) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is a year's last; 719,468
    // days lie between March of year 0 and 1970.
    let day_number = days + 719_468;
    let era = day_number / 146_097;
    let day_of_era = day_number % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60,
        since_1970.subsec_nanos()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_across_leap_years() {
        let at = |seconds| timestamp(Duration::new(seconds, 5));
        assert_eq!(at(0), "1970-01-01T00:00:00.000000005Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59.000000005Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000000005Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000000005Z");
    }

    #[test]
    fn a_line_has_every_field_and_no_caller_can_fake_one() {
        let pairs = [("address", "vsock://-1:1024"), ("level", "fake")];
        let line = format_line(
            &Record::builder()
                .args(format_args!("two\nlines \"quoted\""))
                .level(Level::Warn)
                .target("kata_agent::rpc::copy_file")
                .key_values(&pairs)
                .build(),
            Duration::from_secs(1),
        );
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["msg"], "two\nlines \"quoted\"");
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["ts"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(value["address"], "vsock://-1:1024");
        assert_eq!(value["subsystem"], "rpc");
        assert_eq!(value["name"], "kata-agent");
        assert_eq!(value["source"], "agent");
        assert_eq!(value["version"], VERSION);
        assert_eq!(value["pid"], std::process::id().to_string());
    }
}
