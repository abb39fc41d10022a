//! Bills, provenance and explanations of a small guest made here: what their
//! bytes are, down to the last one.

#![allow(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod sbom_fixture;

use expect_test::{Expect, expect};
use osbuilder::Manifest;
use osbuilder::contents::Contents;
use osbuilder::diff::{Side, diff};
use osbuilder::explain::{Beside, Sizes, compare, html, svg, why};
use osbuilder::provenance::{Material, statement};
use osbuilder::sbom::{PackageKind, Subject, companions, cyclonedx, spdx};
use recipe::Init;
use rootfs::{Meta, Origin, Tree};
use sbom_fixture::{manifest, record, tree};

fn check(bytes: &[u8], expected: &Expect) {
    expected.assert_eq(std::str::from_utf8(bytes).unwrap());
}

fn subject<'a>(manifest: &'a Manifest, contents: &'a Contents) -> Subject<'a> {
    Subject { described: manifest.into(), contents: Some(contents), kind: PackageKind::Deb }
}

#[test]
fn spdx_names_the_artifact_its_packages_and_privileged_files() {
    let (manifest, contents) = (manifest(), Contents::of(&tree()));
    check(
        &spdx(&subject(&manifest, &contents)),
        &expect![[r#"
            {
              "SPDXID": "SPDXRef-DOCUMENT",
              "creationInfo": {
                "created": "1970-01-02T00:00:00Z",
                "creators": [
                  "Tool: osbuilder-9.9.9"
                ]
              },
              "dataLicense": "CC0-1.0",
              "documentNamespace": "https://katacontainers.io/spdx/kata-toy-1.img-5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f",
              "files": [
                {
                  "SPDXID": "SPDXRef-File-usr-bin-su",
                  "checksums": [
                    {
                      "algorithm": "SHA1",
                      "checksumValue": "f37e4088a61274141b9307f91a5bdcd15cb7bafe"
                    },
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "4b179810791a19af3bfeafbdcf0aca274d9ac7d5f063b8e0b75189360c0cf3a3"
                    }
                  ],
                  "comment": "privileged: mode 4755; package:bash",
                  "copyrightText": "NOASSERTION",
                  "fileName": "./usr/bin/su",
                  "licenseConcluded": "NOASSERTION"
                }
              ],
              "name": "kata-toy-1.img",
              "packages": [
                {
                  "SPDXID": "SPDXRef-Artifact",
                  "checksums": [
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"
                    }
                  ],
                  "copyrightText": "NOASSERTION",
                  "downloadLocation": "NOASSERTION",
                  "filesAnalyzed": false,
                  "licenseConcluded": "NOASSERTION",
                  "licenseDeclared": "NOASSERTION",
                  "name": "kata-toy-1.img",
                  "packageFileName": "kata-toy-1.img",
                  "primaryPackagePurpose": "OPERATING-SYSTEM",
                  "supplier": "NOASSERTION",
                  "versionInfo": "1"
                },
                {
                  "SPDXID": "SPDXRef-Agent",
                  "checksums": [
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "abababababababababababababababababababababababababababababababab"
                    }
                  ],
                  "copyrightText": "NOASSERTION",
                  "downloadLocation": "NOASSERTION",
                  "filesAnalyzed": false,
                  "licenseConcluded": "NOASSERTION",
                  "licenseDeclared": "Apache-2.0",
                  "name": "kata-agent",
                  "primaryPackagePurpose": "APPLICATION",
                  "supplier": "NOASSERTION",
                  "versionInfo": "3.0"
                },
                {
                  "SPDXID": "SPDXRef-Package-bash-amd64",
                  "checksums": [
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "352e322b62310000000000000000000000000000000000000000000000000000"
                    }
                  ],
                  "comment": "asked for by recipes/toy/recipe.yaml",
                  "copyrightText": "NOASSERTION",
                  "downloadLocation": "http://mirror.example.org/toy/pool/bash_5.2+b1.deb",
                  "externalRefs": [
                    {
                      "referenceCategory": "PACKAGE-MANAGER",
                      "referenceLocator": "pkg:deb/toy/bash@5.2%2Bb1?arch=amd64&distro=toy-1",
                      "referenceType": "purl"
                    }
                  ],
                  "filesAnalyzed": false,
                  "licenseConcluded": "NOASSERTION",
                  "licenseDeclared": "NOASSERTION",
                  "name": "bash",
                  "sourceInfo": "built from source package bash",
                  "supplier": "Organization: toy",
                  "versionInfo": "5.2+b1"
                },
                {
                  "SPDXID": "SPDXRef-Package-libc6-amd64",
                  "checksums": [
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "313a322e34310000000000000000000000000000000000000000000000000000"
                    }
                  ],
                  "comment": "libtinfo6 needs libc6 (>= 2.34)",
                  "copyrightText": "NOASSERTION",
                  "downloadLocation": "http://mirror.example.org/toy/pool/libc6_1:2.41.deb",
                  "externalRefs": [
                    {
                      "referenceCategory": "PACKAGE-MANAGER",
                      "referenceLocator": "pkg:deb/toy/libc6@1:2.41?arch=amd64&distro=toy-1",
                      "referenceType": "purl"
                    }
                  ],
                  "filesAnalyzed": false,
                  "licenseConcluded": "NOASSERTION",
                  "licenseDeclared": "NOASSERTION",
                  "name": "libc6",
                  "sourceInfo": "built from source package libc6",
                  "supplier": "Organization: toy",
                  "versionInfo": "1:2.41"
                },
                {
                  "SPDXID": "SPDXRef-Package-libtinfo6-amd64",
                  "checksums": [
                    {
                      "algorithm": "SHA256",
                      "checksumValue": "362e350000000000000000000000000000000000000000000000000000000000"
                    }
                  ],
                  "comment": "bash needs libtinfo6",
                  "copyrightText": "NOASSERTION",
                  "downloadLocation": "http://mirror.example.org/toy/pool/libtinfo6_6.5.deb",
                  "externalRefs": [
                    {
                      "referenceCategory": "PACKAGE-MANAGER",
                      "referenceLocator": "pkg:deb/toy/libtinfo6@6.5?arch=amd64&distro=toy-1",
                      "referenceType": "purl"
                    }
                  ],
                  "filesAnalyzed": false,
                  "licenseConcluded": "NOASSERTION",
                  "licenseDeclared": "NOASSERTION",
                  "name": "libtinfo6",
                  "sourceInfo": "built from source package libtinfo6",
                  "supplier": "Organization: toy",
                  "versionInfo": "6.5"
                }
              ],
              "relationships": [
                {
                  "relatedSpdxElement": "SPDXRef-Artifact",
                  "relationshipType": "DESCRIBES",
                  "spdxElementId": "SPDXRef-DOCUMENT"
                },
                {
                  "relatedSpdxElement": "SPDXRef-Agent",
                  "relationshipType": "CONTAINS",
                  "spdxElementId": "SPDXRef-Artifact"
                },
                {
                  "relatedSpdxElement": "SPDXRef-Package-bash-amd64",
                  "relationshipType": "CONTAINS",
                  "spdxElementId": "SPDXRef-Artifact"
                },
                {
                  "relatedSpdxElement": "SPDXRef-Package-libc6-amd64",
                  "relationshipType": "CONTAINS",
                  "spdxElementId": "SPDXRef-Artifact"
                },
                {
                  "relatedSpdxElement": "SPDXRef-Package-libtinfo6-amd64",
                  "relationshipType": "CONTAINS",
                  "spdxElementId": "SPDXRef-Artifact"
                },
                {
                  "relatedSpdxElement": "SPDXRef-File-usr-bin-su",
                  "relationshipType": "DESCRIBES",
                  "spdxElementId": "SPDXRef-DOCUMENT"
                }
              ],
              "spdxVersion": "SPDX-2.3"
            }
        "#]],
    );
}

#[test]
fn cyclonedx_has_the_tree_of_dependencies() {
    let (manifest, contents) = (manifest(), Contents::of(&tree()));
    check(
        &cyclonedx(&subject(&manifest, &contents)),
        &expect![[r#"
        {
          "bomFormat": "CycloneDX",
          "components": [
            {
              "bom-ref": "agent",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "abababababababababababababababababababababababababababababababab"
                }
              ],
              "licenses": [
                {
                  "license": {
                    "id": "Apache-2.0"
                  }
                }
              ],
              "name": "kata-agent",
              "type": "application",
              "version": "3.0"
            },
            {
              "bom-ref": "pkg:deb/toy/bash@5.2%2Bb1?arch=amd64&distro=toy-1",
              "externalReferences": [
                {
                  "type": "distribution",
                  "url": "http://mirror.example.org/toy/pool/bash_5.2+b1.deb"
                }
              ],
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "352e322b62310000000000000000000000000000000000000000000000000000"
                }
              ],
              "name": "bash",
              "properties": [
                {
                  "name": "osbuilder:because",
                  "value": "asked for by recipes/toy/recipe.yaml"
                }
              ],
              "purl": "pkg:deb/toy/bash@5.2%2Bb1?arch=amd64&distro=toy-1",
              "type": "library",
              "version": "5.2+b1"
            },
            {
              "bom-ref": "pkg:deb/toy/libc6@1:2.41?arch=amd64&distro=toy-1",
              "externalReferences": [
                {
                  "type": "distribution",
                  "url": "http://mirror.example.org/toy/pool/libc6_1:2.41.deb"
                }
              ],
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "313a322e34310000000000000000000000000000000000000000000000000000"
                }
              ],
              "name": "libc6",
              "properties": [
                {
                  "name": "osbuilder:because",
                  "value": "libtinfo6 needs libc6 (>= 2.34)"
                }
              ],
              "purl": "pkg:deb/toy/libc6@1:2.41?arch=amd64&distro=toy-1",
              "type": "library",
              "version": "1:2.41"
            },
            {
              "bom-ref": "pkg:deb/toy/libtinfo6@6.5?arch=amd64&distro=toy-1",
              "externalReferences": [
                {
                  "type": "distribution",
                  "url": "http://mirror.example.org/toy/pool/libtinfo6_6.5.deb"
                }
              ],
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "362e350000000000000000000000000000000000000000000000000000000000"
                }
              ],
              "name": "libtinfo6",
              "properties": [
                {
                  "name": "osbuilder:because",
                  "value": "bash needs libtinfo6"
                }
              ],
              "purl": "pkg:deb/toy/libtinfo6@6.5?arch=amd64&distro=toy-1",
              "type": "library",
              "version": "6.5"
            }
          ],
          "dependencies": [
            {
              "dependsOn": [
                "agent",
                "pkg:deb/toy/bash@5.2%2Bb1?arch=amd64&distro=toy-1"
              ],
              "ref": "artifact"
            },
            {
              "dependsOn": [
                "pkg:deb/toy/libtinfo6@6.5?arch=amd64&distro=toy-1"
              ],
              "ref": "pkg:deb/toy/bash@5.2%2Bb1?arch=amd64&distro=toy-1"
            },
            {
              "dependsOn": [],
              "ref": "pkg:deb/toy/libc6@1:2.41?arch=amd64&distro=toy-1"
            },
            {
              "dependsOn": [
                "pkg:deb/toy/libc6@1:2.41?arch=amd64&distro=toy-1"
              ],
              "ref": "pkg:deb/toy/libtinfo6@6.5?arch=amd64&distro=toy-1"
            }
          ],
          "metadata": {
            "component": {
              "bom-ref": "artifact",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"
                }
              ],
              "name": "kata-toy-1.img",
              "properties": [
                {
                  "name": "osbuilder:architecture",
                  "value": "x86_64"
                },
                {
                  "name": "osbuilder:init",
                  "value": "systemd"
                },
                {
                  "name": "osbuilder:type",
                  "value": "image"
                },
                {
                  "name": "osbuilder:privileged",
                  "value": "/usr/bin/su"
                }
              ],
              "type": "operating-system",
              "version": "1"
            },
            "timestamp": "1970-01-02T00:00:00Z",
            "tools": {
              "components": [
                {
                  "name": "osbuilder",
                  "type": "application",
                  "version": "9.9.9"
                }
              ]
            }
          },
          "serialNumber": "urn:uuid:5f5f5f5f-5f5f-8f5f-8f5f-5f5f5f5f5f5f",
          "specVersion": "1.6",
          "version": 1
        }
    "#]],
    );
}

#[test]
fn provenance_names_every_input_with_its_digest() {
    let materials = [Material::new("recipes/toy/recipe.yaml", b"name: toy\n")];
    let statement = String::from_utf8(statement(&(&manifest()).into(), &materials)).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&statement).unwrap();
    let resolved = json["predicate"]["buildDefinition"]["resolvedDependencies"].take();
    let names: Vec<String> = resolved
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| {
            let digest = dependency["digest"].as_object().unwrap();
            assert_eq!(digest.len(), 1, "{dependency}");
            assert_eq!(digest["sha256"].as_str().unwrap().len(), 64, "{dependency}");
            dependency["name"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "recipes/toy/recipe.yaml",
            "osbuilder/sources",
            "kata-agent",
            "package-index",
            "bash 5.2+b1 amd64",
            "libc6 1:2.41 amd64",
            "libtinfo6 6.5 amd64",
        ]
    );
    assert_eq!(resolved[4]["uri"], "http://mirror.example.org/toy/pool/bash_5.2+b1.deb");
    check(
        format!("{json:#}\n").as_bytes(),
        &expect![[r#"
            {
              "_type": "https://in-toto.io/Statement/v1",
              "predicate": {
                "buildDefinition": {
                  "buildType": "https://katacontainers.io/osbuilder/recipe/v1",
                  "externalParameters": {
                    "architecture": "x86_64",
                    "compression": null,
                    "distro": "toy",
                    "filesystem": "ext4",
                    "init": "systemd",
                    "type": "image",
                    "variant": null,
                    "verity": false,
                    "version": "1"
                  },
                  "internalParameters": {
                    "source-date-epoch": 86400
                  },
                  "resolvedDependencies": null
                },
                "runDetails": {
                  "builder": {
                    "id": "https://katacontainers.io/osbuilder",
                    "version": {
                      "osbuilder": "9.9.9"
                    }
                  }
                }
              },
              "predicateType": "https://slsa.dev/provenance/v1",
              "subject": [
                {
                  "digest": {
                    "sha256": "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"
                  },
                  "name": "kata-toy-1.img"
                }
              ]
            }
        "#]],
    );
}

#[test]
fn an_apk_is_known_by_its_control_segment() {
    let mut manifest = manifest();
    manifest.packages.truncate(1);
    manifest.packages[0].identity = "apk-control-sha1:00ff".into();
    manifest.mirror.url = "file:///somewhere".into();
    let text = String::from_utf8(statement(&(&manifest).into(), &[])).unwrap();
    assert!(text.contains("\"apkControlSha1\": \"00ff\""), "{text}");
    assert!(!text.contains("file:///"), "{text}");
    let bill =
        spdx(&Subject { described: (&manifest).into(), contents: None, kind: PackageKind::Apk });
    let bill: serde_json::Value = serde_json::from_slice(&bill).unwrap();
    assert_eq!(bill["packages"][2]["downloadLocation"], "NOASSERTION");
    assert!(bill["packages"][2].get("checksums").is_none());
}

#[test]
fn why_leads_to_the_recipe() {
    let (manifest, contents) = (manifest(), Contents::of(&tree()));
    let mut out = String::new();
    let asked =
        ["libc6", "/bin/bash", "/etc/hosts", "/usr/bin/kata-agent", "libc5", "/bin/libc.so.6"];
    for what in asked {
        match why(&manifest, Some(&contents), what) {
            Ok(why) => out += &why.to_text(),
            Err(error) => out += &format!("{error}\n"),
        }
    }
    out += &why(&manifest, None, "/bin/bash").unwrap_err().to_string();
    check(
        out.as_bytes(),
        &expect![[r#"
        libc6 1:2.41: libtinfo6 needs libc6 (>= 2.34)
          libtinfo6 6.5: bash needs libtinfo6
            bash 5.2+b1: asked for by recipes/toy/recipe.yaml
        /bin/bash: /bin is a link to usr/bin
          /usr/bin/bash: the package bash brought it
            bash 5.2+b1: asked for by recipes/toy/recipe.yaml
        /etc/hosts: the recipe asks for it (files: /etc/hosts)
        /usr/bin/kata-agent: osbuilder puts it into every guest
        kata-toy-1.img has no package `libc5`; did you mean libc6?
        kata-toy-1.img has no path `/bin/libc.so.6`; did you mean /usr/lib/libc.so.6?
        kata-toy-1.img has no list of contents beside it, so nothing is known of its files; build it again with `cargo xtask build-image --update`"#]],
    );
}

#[test]
fn packages_that_need_each_other_end_the_chain() {
    let mut manifest = manifest();
    manifest.packages[0].needed_by = Some("libc6".into());
    assert_eq!(why(&manifest, None, "bash").unwrap().chain.len(), 3);
}

#[test]
fn links_in_a_circle_are_given_up() {
    let mut tree = Tree::new();
    let meta = || Meta::root(0o777, Origin::Builder);
    tree.put_symlink("a", "b", meta()).unwrap();
    tree.put_symlink("b", "/a", meta()).unwrap();
    let contents = Contents::of(&tree);
    assert!(why(&manifest(), Some(&contents), "/a/x").is_err());
}

#[test]
fn sizes_add_up() {
    let sizes = Sizes::of(&Contents::of(&tree()));
    let sum = |shares: &[osbuilder::explain::Share]| shares.iter().map(|s| s.bytes).sum::<u64>();
    assert_eq!((sum(&sizes.origins), sum(&sizes.directories)), (sizes.bytes, sizes.bytes));
    check(
        sizes.to_text(2).as_bytes(),
        &expect![[r#"
        16.6 KiB in 11 entries

             bytes  share  entries  package
           8.8 KiB  52.8%        2  libc6
           4.9 KiB  29.4%        4  bash
           2.9 KiB  17.7%        5  (2 more)

             bytes  share  entries  directory
           8.8 KiB  52.8%        1  /usr/lib
           7.8 KiB  47.0%        3  /usr/bin
              20 B   0.1%        7  (3 more)
    "#]],
    );
    let picture = svg("toy", &sizes.origins);
    for share in sizes.origins.iter().filter(|share| share.bytes > 1000) {
        assert!(picture.contains(&format!("<title>{}: ", share.name)), "{picture}");
    }
    assert_eq!(html("toy", &sizes).matches("<svg").count(), 2);
    let mut less = tree();
    less.remove("usr/bin/bash").unwrap();
    let changes = compare(&sizes.origins, &Sizes::of(&Contents::of(&less)).origins);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].name.as_str(), changes[0].delta()), ("bash", -5000));
}

#[test]
fn a_diff_tells_packages_files_and_bytes() {
    let (old, old_tree) = (manifest(), Contents::of(&tree()));
    let mut new = manifest();
    new.artifact.sha256 = "60".repeat(32);
    new.artifact.size = 3000;
    new.init = Init::Agent;
    new.packages.remove(2);
    new.packages[1] = record("libc6", "1:2.42", "asked for", None);
    new.packages.push(record("zlib1g", "1.3", "bash needs zlib1g", Some("bash")));
    let mut tree = tree();
    tree.remove("etc/hosts").unwrap();
    tree.set_mode("usr/bin/su", 0o755).unwrap();
    tree.put_file(
        "usr/lib/libc.so.6",
        vec![b'd'; 9500],
        Meta::root(0o755, Origin::package("libc6")),
    )
    .unwrap();
    tree.put_file("usr/lib/libz.so", "z", Meta::root(0o755, Origin::package("zlib1g"))).unwrap();
    let new_tree = Contents::of(&tree);
    let before = Side { manifest: &old, contents: Some(&old_tree) };
    let after = Side { manifest: &new, contents: Some(&new_tree) };
    check(
        diff(before, after).to_text(3).as_bytes(),
        &expect![[r#"
        kata-toy-1.img -> kata-toy-1.img
        artifact: 4.0 KiB -> 2.9 KiB (-1.1 KiB)
        files: 16.6 KiB -> 17.1 KiB (+481 B)
        ~ init: systemd -> agent

        packages: 3 differ
        ~ libc6 1:2.41 -> 1:2.42
        - libtinfo6 6.5
        + zlib1g 1.3 (bash needs zlib1g)

        files: 4 differ
        - /etc/hosts 20 B (recipe:files: /etc/hosts)
        ~ /usr/bin/su [mode]
        ~ /usr/lib/libc.so.6 [size sha256] 8.8 KiB -> 9.3 KiB (+500 B)
        … and 1 more (all of them with --json)
    "#]],
    );
    assert!(diff(before, before).to_text(3).contains("the same, byte for byte"));
    let unknown = diff(before, Side { manifest: &new, contents: None });
    assert!(unknown.files.is_none());
    assert!(unknown.to_text(3).contains("files: unknown"));
}

#[test]
fn what_is_written_beside_an_artifact_is_read_again() {
    let (manifest, contents) = (manifest(), Contents::of(&tree()));
    let folder = tempfile::tempdir().unwrap();
    let artifact = folder.path().join(&manifest.artifact.file);
    let path = |ending: &str| format!("{}{ending}", artifact.display());
    let mut endings = Vec::new();
    for (ending, bytes) in companions((&manifest).into(), &contents, PackageKind::Deb, &[], true) {
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        std::fs::write(path(ending), bytes).unwrap();
        endings.push(ending);
    }
    assert_eq!(endings, [".contents.json", ".spdx.json", ".provenance.json", ".cdx.json"]);
    assert_eq!(companions((&manifest).into(), &contents, PackageKind::Deb, &[], false).len(), 3);
    std::fs::write(path(".manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let beside = Beside::read(&artifact).unwrap();
    assert_eq!((beside.manifest, beside.contents), (manifest, Some(contents)));
}
