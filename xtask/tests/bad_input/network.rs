//! No network, a network that is not to be used, mirrors and proxies.

use crate::fixture::{Fixture, Server};
use expect_test::expect;

#[test]
fn nobody_answers() {
    let fixture = Fixture::built();
    let gone = Server::gone();
    fixture.check(
        &["--update", "--mirror", &gone],
        &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened
          because: cannot fetch InRelease of sample (eb4796d4363a): the only mirror failed
              http://127.0.0.1:[port]/dists/sample/InRelease: Connection refused
            give another mirror with --mirror URL (http, https or file)
    "#]],
    );
}

#[test]
fn none_of_the_recipes_mirrors_answers() {
    let mut fixture = Fixture::built();
    let (one, two) = (Server::gone(), Server::gone());
    fixture.edit_recipe(
        "      - http://mirror.example.org/fixture\n",
        &format!("      - {one}/first\n      - {two}/second\n"),
    );
    fixture.mirrors.clear();
    fixture.check(
        &[],
        &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened
          because: cannot fetch InRelease of sample (eb4796d4363a): all 2 mirrors failed
              http://127.0.0.1:[port]/first/dists/sample/InRelease: Connection refused
              http://127.0.0.1:[port]/second/dists/sample/InRelease: Connection refused
            give another mirror with --mirror URL (http, https or file)
    "#]],
    );
}

#[test]
fn a_server_that_leaves_between_index_and_packages() {
    let fixture = Fixture::built();
    std::fs::remove_file(fixture.path("repository/pool/library_4.2_amd64.deb")).unwrap();
    let server = fixture.serve();
    fixture.check(
        &["--update", "--mirror", &server.url()],
        &expect![[r#"
        exit 1
        error: fixture: packages can't be fetched
          because: cannot fetch library 4.2: the only mirror failed
              http://127.0.0.1:[port]/pool/library_4.2_amd64.deb: the server answered 404 Not Found
            give another mirror with --mirror URL (http, https or file)
    "#]],
    );
}

#[test]
fn offline_with_an_empty_store() {
    let fixture = Fixture::built();
    let server = fixture.serve();
    fixture.check(&["--update", "--offline", "--mirror", &server.url()], &expect![[r#"
        exit 1
        error: fixture: the package repository can't be opened
          because: InRelease of sample (eb4796d4363a) is not in the store and the network is off; without --offline it would come from http://127.0.0.1:[port]/dists/sample/InRelease
    "#]]);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn offline_with_all_that_is_needed() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    fixture.build(&["--mirror", &server.url()]);
    let asked = server.asked();
    let built = fixture.build(&["--update", "--offline", "--mirror", &server.url()]);
    assert_eq!(built["unchanged"], false);
    assert_eq!(server.asked(), asked);
}

#[test]
fn a_proxy_that_can_not_be_used() {
    let mut fixture = Fixture::built();
    fixture.variables.push(("http_proxy", "socks5://user:secret@proxy.example.org".into()));
    fixture.check(&["--update", "--mirror", "http://mirror.example.org"], &expect![[r#"
        exit 2
        error: the variable http_proxy does not name a usable proxy: only http and https proxies can be used
    "#]]);
}

#[test]
fn a_proxy_that_does_not_answer() {
    let mut fixture = Fixture::built();
    fixture.variables.push(("http_proxy", Server::gone()));
    fixture.check(
        &["--update", "--mirror", "http://mirror.example.org"],
        &expect![[r#"
            exit 1
            error: fixture: the package repository can't be opened
              because: cannot fetch InRelease of sample (eb4796d4363a): the only mirror failed
                  http://mirror.example.org/dists/sample/InRelease: the proxy http://127.0.0.1:[port] can't be used: Connection refused
                give another mirror with --mirror URL (http, https or file)
        "#]],
    );
}

#[test]
fn everything_comes_through_a_proxy() {
    let mut fixture = Fixture::new();
    let proxy = fixture.serve();
    fixture.variables.push(("http_proxy", proxy.url()));
    let built = fixture.build(&["--mirror", "http://mirror.example.org"]);
    assert_eq!(built["mirror"]["url"], "http://mirror.example.org/");
    let asked = proxy.asked();
    assert!(asked.len() >= 5, "{asked:?}");
    for target in &asked {
        assert!(target.starts_with("http://mirror.example.org/"), "{target}");
    }
}

#[test]
fn the_second_mirror_stands_in_for_a_dead_first() {
    let fixture = Fixture::new();
    let (dead, alive) = (Server::gone(), fixture.serve());
    let built = fixture.build(&["--mirror", &dead, "--mirror", &alive.url()]);
    assert_eq!(built["mirror"]["url"], format!("{}/", alive.url()));
    let packages = alive.asked().iter().filter(|path| path.contains("/pool/")).count();
    assert_eq!(packages, fixture.repository.packages.len());
}
