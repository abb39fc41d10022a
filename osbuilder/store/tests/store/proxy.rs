//! Proxies from the environment, in a process of its own for each case, since
//! an environment belongs to the whole process.

use std::env;
use std::net::TcpListener;
use std::process::Command;

use crate::desk::{Desk, want};
use crate::server::{Reply, Server};
use artifact_store::Silent;

const BODY: &[u8] = b"through a proxy";

/// Not a test: the other process. Prints the outcome for its parent.
#[test]
#[ignore = "started by the other tests with their environment"]
fn fetch_in_this_environment() {
    let url = env::var("FETCH").unwrap().parse().unwrap();
    match Desk::new().store().fetch(&want(BODY, &[url]), &Silent) {
        Ok(_) => println!("outcome: fetched"),
        Err(error) => println!("outcome: {error}"),
    }
}

fn fetch_with(url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    command.env("FETCH", url).envs(variables.iter().copied());
    command.args(["--exact", "proxy::fetch_in_this_environment", "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, outcome) = text.split_once("outcome: ").unwrap_or_else(|| panic!("{text}"));
    outcome.to_owned()
}

#[test]
fn a_proxy_is_asked_for_the_whole_url() {
    let proxy = Server::start(|_| Reply::ok(BODY));
    let address = format!("http://user:p%40ss@{}", proxy.address());
    let url = "http://mirror.example.org:8080/pool/a.deb?x=1";
    let outcome = fetch_with(url, &[("http_proxy", &address)]);
    assert!(outcome.starts_with("fetched"), "{outcome}");
    let calls = proxy.calls();
    assert_eq!((calls[0].method.as_str(), calls[0].target.as_str()), ("GET", url));
    assert_eq!(calls[0].header("host"), Some("mirror.example.org:8080"));
    // "user:p@ss" in base64.
    assert_eq!(calls[0].header("proxy-authorization"), Some("Basic dXNlcjpwQHNz"));
}

#[test]
fn secure_urls_ask_for_a_tunnel() {
    let proxy = Server::start(|_| Reply::status("403 Forbidden"));
    let address = proxy.address().to_string();
    let outcome = fetch_with("https://mirror.example.org/a", &[("ALL_PROXY", &address)]);
    assert!(outcome.contains("proxy") && outcome.contains("403"), "{outcome}");
    let call = proxy.calls()[0].clone();
    assert_eq!((call.method.as_str(), call.target.as_str()), ("CONNECT", "mirror.example.org:443"));
}

#[test]
fn excepted_hosts_are_reached_directly() {
    let (proxy, server) = (Server::start(|_| Reply::ok(BODY)), Server::file(BODY));
    let address = format!("http://{}", proxy.address());
    // Loopback needs no exception; the name must then be looked up, and fails.
    let outcome = fetch_with(server.url("a").as_str(), &[("HTTP_PROXY", &address)]);
    assert!(outcome.starts_with("fetched"), "{outcome}");
    let variables = [("HTTP_PROXY", address.as_str()), ("no_proxy", "other.example,.invalid")];
    let outcome = fetch_with("http://mirror.invalid/a", &variables);
    assert!(outcome.starts_with("cannot fetch"), "{outcome}");
    assert_eq!(proxy.connections(), 0);
    let outcome = fetch_with("http://mirror.example/a", &variables);
    assert!(outcome.starts_with("fetched"), "{outcome}");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_redirect_behind_a_proxy_asks_the_proxy_again() {
    let proxy = Server::start(|call| match call.target.as_str() {
        "http://one.example/a" => Reply::status("301 Moved").with("Location: http://two.example/b"),
        "http://two.example/b" => Reply::ok(BODY),
        _ => Reply::status("404 Not Found"),
    });
    let address = format!("http://{}", proxy.address());
    let outcome = fetch_with("http://one.example/a", &[("http_proxy", &address)]);
    assert!(outcome.starts_with("fetched"), "{outcome}");
}

#[test]
fn a_proxy_that_does_not_answer_is_named_without_its_password() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://user:secret@{gone}");
    for (url, variable) in [
        ("http://mirror.example.org/a", "http_proxy"),
        ("https://mirror.example.org/a", "all_proxy"),
    ] {
        let outcome = fetch_with(url, &[(variable, &address)]);
        let reason = format!("the proxy http://{gone} can't be used: Connection refused");
        assert!(outcome.contains(&format!("{url}: {reason}")), "{outcome}");
        assert!(!outcome.contains("secret"), "{outcome}");
    }
}
