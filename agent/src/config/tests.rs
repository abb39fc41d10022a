//! What each source of settings may say, and which one wins.

use std::path::Path;

use super::*;

fn load(cmdline: &str) -> (Config, Vec<String>) {
    let sources = Sources { cmdline: cmdline.to_owned(), ..Sources::default() };
    Config::load(&sources).unwrap()
}

fn load_file(text: &str, cmdline: &str) -> Result<(Config, Vec<String>), ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    let cmdline = format!("agent.config_file={} {cmdline}", path.display());
    Config::load(&Sources { cmdline, ..Sources::default() })
}

#[test]
fn nothing_said_is_the_default() {
    let (config, warnings) = load("console=ttyS0 root=/dev/vda1 quiet systemd.unit=x\n");
    assert_eq!(config, Config::default());
    assert_eq!(config.server_addr, "vsock://-1:1024");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn kernel_parameters() {
    let (config, warnings) = load(
        "agent.log=debug agent.debug_console agent.debug_console_vport=1030 agent.trace=false \
         agent.hotplug_timeout=7 agent.server_addr=unix:///a agent.no_proxy=\"a b\" \
         agent.mem_agent_memcg_swap=true systemd.unified_cgroup_hierarchy=0",
    );
    assert!(warnings.is_empty(), "{warnings:?}");
    let expected = Config {
        log_level: LevelFilter::Debug,
        debug_console: true,
        debug_console_vport: 1030,
        hotplug_timeout: Duration::from_secs(7),
        server_addr: "unix:///a".to_owned(),
        no_proxy: "a b".to_owned(),
        unified_cgroup_hierarchy: false,
        mem_agent: mem_agent::Settings {
            memcg: mem_agent::Memcg { swap: true, ..mem_agent::Memcg::default() },
            ..mem_agent::Settings::default()
        },
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn what_is_not_understood_is_a_warning() {
    let (config, warnings) =
        load("agent.colour=blue agent.log=loud agent.log_vport agent.log_vport=-1");
    assert_eq!(config, Config::default());
    assert_eq!(
        warnings,
        [
            "kernel command line: agent.colour is not known",
            "kernel command line: agent.log: \"loud\" is no log level",
            "kernel command line: agent.log_vport: \"true\" is not a number",
            "kernel command line: agent.log_vport: \"-1\" is not a number",
        ]
    );
}

#[test]
fn the_command_line_wins_over_the_file_and_the_environment_over_both() {
    let text = "log_level = \"trace\"\nhotplug_timeout = { secs = 9, nanos = 0 }\n\
                cdi_timeout = 4\ntracing = true\nwhat = 1\nlog_vport = 1.5\n";
    let (config, warnings) = load_file(text, "agent.log=warn agent.cdi_timeout=5").unwrap();
    assert_eq!(config.log_level, LevelFilter::Warn);
    assert_eq!(config.hotplug_timeout, Duration::from_secs(9));
    assert_eq!(config.cdi_timeout, Duration::from_secs(5));
    assert!(config.tracing);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("what is not known")));

    let environment = [("KATA_AGENT_LOG_LEVEL", "error"), ("KATA_AGENT_COLOUR", "blue")];
    let environment =
        environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let sources = Sources { cmdline: "agent.log=warn".into(), environment, ..Sources::default() };
    let (config, warnings) = Config::load(&sources).unwrap();
    assert_eq!(config.log_level, LevelFilter::Error);
    assert_eq!(warnings, ["environment: KATA_AGENT_COLOUR: this variable is not known"]);
}

#[test]
fn durations_in_files() {
    let load = |value: &str| {
        let (config, warnings) = load_file(&format!("hotplug_timeout = {value}\n"), "").unwrap();
        (config.hotplug_timeout, warnings.into_iter().next().unwrap_or_default())
    };
    for (value, milliseconds) in [
        ("2", 2000),
        ("\"2\"", 2000),
        ("{ secs = 1, nanos = 500000000 }", 1500),
        ("{ nanos = 7000000 }", 7),
        ("{ secs = 0 }", 0),
    ] {
        assert_eq!(load(value), (Duration::from_millis(milliseconds), String::new()), "{value}");
    }
    for value in [
        "-1",
        "1.5",
        "\"1.5\"",
        "\"\"",
        "{ secs = -1 }",
        "{ secs = 1, nanos = 1000000000 }",
        "{ seconds = 1 }",
        "{ secs = \"1\" }",
        "4294967296",
    ] {
        let (left, warning) = load(value);
        assert_eq!(left, Config::default().hotplug_timeout, "{value}");
        assert!(warning.contains("hotplug_timeout: "), "{value}: {warning}");
    }
    // Only where a duration is due.
    let (config, warnings) =
        load_file("log_vport = { secs = 1 }\n[endpoints]\na = 1\n", "").unwrap();
    assert_eq!(config, Config::default());
    let mut warnings = warnings.iter().map(|warning| warning.split_once(": ").unwrap().1);
    assert_eq!(warnings.next(), Some("endpoints is not known"));
    assert_eq!(warnings.next(), Some("log_vport: \"1.000000000\" is not a number"));
}

#[test]
fn the_memory_agent_in_files_and_on_the_command_line() {
    let text = "mem_agent_enable = true\nmem_agent_memcg_period_secs = 300\n\
                mem_agent_compact_order = 11\nmem_agent_compact_threshold = []\n";
    let cmdline = "agent.mem_agent_memcg_disable agent.mem_agent_memcg_swappiness_max=300";
    let (config, warnings) = load_file(text, cmdline).unwrap();
    assert!(config.mem_agent.enable && config.mem_agent.memcg.disabled);
    assert_eq!(config.mem_agent.memcg.period, Duration::from_secs(300));
    let expected = [
        "mem_agent_compact_order: \"11\" is no number from 0 to 10",
        "mem_agent_compact_threshold: the value has the wrong type",
        "agent.mem_agent_memcg_swappiness_max: \"300\" is no number from 0 to 200",
    ];
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.ends_with(expected), "{warning}");
    }
}

#[test]
fn a_file_that_was_asked_for_must_be_usable() {
    assert!(matches!(load_file("log_level =", ""), Err(ConfigError::Parse { .. })));
    let missing = Sources { file: Some(Path::new("/nonexistent").into()), ..Sources::default() };
    assert!(matches!(Config::load(&missing), Err(ConfigError::Read { .. })));
}
