//! What becomes of each part of a spec.

use crate::oci;
use expect_test::expect;
use protobuf::MessageField;

use super::*;

fn json_of(spec: &oci::Spec) -> Value {
    serde_json::to_value(self::spec(spec).unwrap()).unwrap()
}

#[test]
fn a_full_spec() {
    let process = oci::Process {
        Terminal: true,
        User: MessageField::some(oci::User {
            UID: 1,
            GID: 2,
            AdditionalGids: vec![3, 4],
            ..Default::default()
        }),
        Args: vec!["sh".into(), "-c".into()],
        Env: vec!["A=b".into()],
        Cwd: "/".into(),
        Capabilities: MessageField::some(oci::LinuxCapabilities {
            Bounding: vec!["CAP_CHOWN".into(), "CAP_OF_TOMORROW".into()],
            ..Default::default()
        }),
        Rlimits: vec![oci::POSIXRlimit {
            Type: "RLIMIT_NOFILE".into(),
            Hard: 2,
            Soft: 1,
            ..Default::default()
        }],
        NoNewPrivileges: true,
        ..Default::default()
    };
    let mut syscall = oci::LinuxSyscall {
        Names: vec!["mount".into()],
        Action: "SCMP_ACT_ERRNO".into(),
        Args: vec![oci::LinuxSeccompArg {
            Index: 1,
            Value: 2,
            ValueTwo: 3,
            Op: "SCMP_CMP_MASKED_EQ".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    syscall.set_errnoret(0);
    let linux = oci::Linux {
        Namespaces: vec![oci::LinuxNamespace {
            Type: "pid".into(),
            Path: "/proc/1/ns/pid".into(),
            ..Default::default()
        }],
        Seccomp: MessageField::some(oci::LinuxSeccomp {
            DefaultAction: "SCMP_ACT_ALLOW".into(),
            Architectures: vec!["SCMP_ARCH_X86_64".into()],
            Syscalls: vec![syscall],
            ..Default::default()
        }),
        MaskedPaths: vec!["/proc/kcore".into()],
        ..Default::default()
    };
    let spec = oci::Spec {
        Process: MessageField::some(process),
        Root: MessageField::some(oci::Root { Path: "rootfs".into(), ..Default::default() }),
        Mounts: vec![oci::Mount {
            destination: "/proc".into(),
            type_: "proc".into(),
            source: "proc".into(),
            options: vec!["nosuid".into()],
            ..Default::default()
        }],
        Hooks: MessageField::some(oci::Hooks {
            Poststop: vec![oci::Hook { Path: "/bin/true".into(), ..Default::default() }],
            ..Default::default()
        }),
        Linux: MessageField::some(linux),
        ..Default::default()
    };
    expect![[r#"
        {
          "hooks": {
            "poststop": [
              {
                "path": "/bin/true"
              }
            ]
          },
          "linux": {
            "devices": [],
            "maskedPaths": [
              "/proc/kcore"
            ],
            "namespaces": [
              {
                "path": "/proc/1/ns/pid",
                "type": "pid"
              }
            ],
            "seccomp": {
              "architectures": [
                "SCMP_ARCH_X86_64"
              ],
              "defaultAction": "SCMP_ACT_ALLOW",
              "syscalls": [
                {
                  "action": "SCMP_ACT_ERRNO",
                  "args": [
                    {
                      "index": 1,
                      "op": "SCMP_CMP_MASKED_EQ",
                      "value": 2,
                      "valueTwo": 3
                    }
                  ],
                  "errnoRet": 0,
                  "names": [
                    "mount"
                  ]
                }
              ]
            }
          },
          "mounts": [
            {
              "destination": "/proc",
              "options": [
                "nosuid"
              ],
              "source": "proc",
              "type": "proc"
            }
          ],
          "ociVersion": "1.0.2",
          "process": {
            "args": [
              "sh",
              "-c"
            ],
            "capabilities": {
              "ambient": [],
              "bounding": [
                "CAP_CHOWN"
              ],
              "effective": [],
              "inheritable": [],
              "permitted": []
            },
            "cwd": "/",
            "env": [
              "A=b"
            ],
            "noNewPrivileges": true,
            "oomScoreAdj": 0,
            "rlimits": [
              {
                "hard": 2,
                "soft": 1,
                "type": "RLIMIT_NOFILE"
              }
            ],
            "terminal": true,
            "user": {
              "additionalGids": [
                3,
                4
              ],
              "gid": 2,
              "uid": 1
            }
          },
          "root": {
            "path": "rootfs",
            "readonly": false
          }
        }"#]]
    .assert_eq(&format!("{:#}", json_of(&spec)));
}

#[test]
fn zero_is_not_a_limit() {
    let limits = oci::LinuxResources {
        Memory: MessageField::some(oci::LinuxMemory { Limit: -1, ..Default::default() }),
        CPU: MessageField::some(oci::LinuxCPU {
            Shares: 1024,
            Cpus: "0-1".into(),
            ..Default::default()
        }),
        Pids: MessageField::some(oci::LinuxPids::default()),
        BlockIO: MessageField::some(oci::LinuxBlockIO {
            ThrottleReadBpsDevice: vec![oci::LinuxThrottleDevice {
                Major: 8,
                Rate: 5,
                ..Default::default()
            }],
            ..Default::default()
        }),
        HugepageLimits: vec![oci::LinuxHugepageLimit {
            Pagesize: "2MB".into(),
            Limit: 4,
            ..Default::default()
        }],
        Devices: vec![
            oci::LinuxDeviceCgroup { Access: "rwm".into(), ..Default::default() },
            oci::LinuxDeviceCgroup {
                Allow: true,
                Type: "c".into(),
                Major: 1,
                Minor: -1,
                ..Default::default()
            },
            oci::LinuxDeviceCgroup {
                Allow: true,
                Type: "b".into(),
                Major: 8,
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let limits = serde_json::to_value(resources(&limits).unwrap()).unwrap();
    expect![[r#"
        {
          "blockIO": {
            "throttleReadBpsDevice": [
              {
                "major": 8,
                "minor": 0,
                "rate": 5
              }
            ]
          },
          "cpu": {
            "cpus": "0-1",
            "shares": 1024
          },
          "devices": [
            {
              "access": "rwm",
              "allow": false,
              "type": "a"
            },
            {
              "access": null,
              "allow": true,
              "major": 1,
              "type": "c"
            },
            {
              "access": null,
              "allow": true,
              "major": 8,
              "minor": 0,
              "type": "b"
            }
          ],
          "hugepageLimits": [
            {
              "limit": 4,
              "pageSize": "2MB"
            }
          ],
          "memory": {
            "limit": -1
          }
        }"#]]
    .assert_eq(&format!("{limits:#}"));
}

#[test]
fn words_that_oci_does_not_know() {
    let spec = oci::Spec {
        Linux: MessageField::some(oci::Linux {
            Seccomp: MessageField::some(oci::LinuxSeccomp {
                DefaultAction: "SCMP_ACT_SHRUG".into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let error = self::spec(&spec).unwrap_err().to_string();
    assert!(error.contains("the spec of the request"), "{error}");
    assert!(error.contains("SCMP_ACT_SHRUG"), "{error}");
}
