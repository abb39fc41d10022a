//! /proc/self/mountinfo without what differs from run to run: numbers of mounts, of
//! filesystems and of peer groups become names, and paths of the bundle short.

use std::collections::BTreeMap;

/// One line a mount, sorted by the place: parent's place, filesystem, root, place,
/// options, how events travel, type, source, the filesystem's options.
pub fn normal(text: &str, bundle: &str) -> String {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9)
        .collect();
    let places: BTreeMap<&str, &str> = lines.iter().map(|line| (line[0], line[4])).collect();
    let mut sorted: Vec<&Vec<&str>> = lines.iter().collect();
    // Mounts on one place stay in their order.
    sorted.sort_by_key(|fields| fields[4]);
    let (mut filesystems, mut groups) = (Numbers::default(), Numbers::default());
    let mut normal = String::new();
    for fields in sorted {
        let parent = places.get(fields[1]).copied().unwrap_or("(outside)");
        let rest: Vec<String> = fields[5..]
            .iter()
            .map(|field| match field.split_once(':') {
                Some((kind @ ("shared" | "master" | "propagate_from"), group)) => {
                    format!("{kind}:{}", groups.of(group))
                }
                _ => (*field).to_owned(),
            })
            .collect();
        let root = fields[3].replace(bundle, "BUNDLE");
        let filesystem = filesystems.of(fields[2]);
        let line = format!("{parent} fs{filesystem} {root} {} {}\n", fields[4], rest.join(" "));
        normal.push_str(&line);
    }
    normal
}

/// Numbers in the order of their first use.
#[derive(Default)]
struct Numbers(BTreeMap<String, usize>);

impl Numbers {
    fn of(&mut self, name: &str) -> usize {
        let next = self.0.len();
        *self.0.entry(name.to_owned()).or_insert(next)
    }
}

#[test]
fn numbers_become_names_and_order_does_not_matter() {
    let one = "10 9 0:7 / /b rw shared:3 - tmpfs t rw\n9 1 8:1 /x/y/rootfs / ro - ext4 /dev/a rw\n";
    let two = "4 1 8:1 /x/y/rootfs / ro - ext4 /dev/a rw\n5 4 0:9 / /b rw shared:8 - tmpfs t rw\n";
    let expected = "(outside) fs0 BUNDLE/rootfs / ro - ext4 /dev/a rw\n\
        / fs1 / /b rw shared:0 - tmpfs t rw\n";
    assert_eq!(normal(one, "/x/y"), expected);
    assert_eq!(normal(two, "/x/y"), expected);
}
