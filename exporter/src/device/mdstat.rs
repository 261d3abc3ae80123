//! `/proc/mdstat`: the software RAID arrays in the kernel's own overview.
//!
//! Format: kernel `drivers/md/md.c` (`md_seq_show`, `status_resync`) and each level's `status`. Read leniently: the
//! form differs by level and kernel, and what is not understood is left out.

/// One array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Array {
    /// Kernel name, as `md0`.
    pub name: String,
    /// Whether it runs.
    pub activity: Activity,
    /// `raid1`, `raid5`, `linear`; `None` for an inactive one.
    pub level: Option<String>,
    /// What it is made of.
    pub members: Vec<Member>,
    /// Its size in blocks of 1 KiB; of an inactive one, what its members hold together.
    pub blocks: Option<u64>,
    /// Version or kind of its superblocks: `1.2`, `external:imsm`, `non-persistent`; `None` for version 0.90.
    pub metadata: Option<String>,
    /// (members that it should have, members that work); only levels with redundancy have it.
    pub disks: Option<(u64, u64)>,
    /// A sync that is under way, or waits.
    pub sync: Option<Sync>,
    /// (pages in use, pages) of its write-intent bitmap.
    pub bitmap_pages: Option<(u64, u64)>,
}

/// Whether an array runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// It takes requests.
    Active,
    /// It is put together in part only, or is a container of others.
    #[default]
    Inactive,
    /// It ran, and lost more than it can do without (Linux 6.12).
    Broken,
}

/// A device of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Kernel name.
    pub name: String,
    /// It failed: `(F)`.
    pub faulty: bool,
    /// It stands by: `(S)`.
    pub spare: bool,
    /// It is the journal: `(J)`.
    pub journal: bool,
}

/// What is done to bring an array in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// `resync`, `recovery`, `check` or `reshape`.
    pub action: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a sync is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits: `DELAYED` for another array on the same disks, `PENDING` for the first write, `REMOTE` for another
    /// node of a cluster.
    Waiting(String),
    /// It is under way.
    Running {
        /// Blocks of 1 KiB that are done.
        done: u64,
        /// Of so many.
        total: u64,
        /// The kernel's estimate of the time left, in seconds; it counts in tenths of minutes.
        finish_seconds: Option<u64>,
        /// KiB a second.
        speed: Option<u64>,
    },
}

/// Parses the whole file.
pub fn parse(content: &[u8]) -> Vec<Array> {
    let text = String::from_utf8_lossy(content);
    let mut arrays: Vec<Array> = Vec::new();
    // Lines of something else (`Personalities : …`, `unused devices: …`) end an array.
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(array) = arrays.last_mut().filter(|_| inside) {
                take_line(array, line);
            }
        } else if !line.is_empty() {
            let array = head(line);
            inside = array.is_some();
            arrays.extend(array);
        }
    }
    arrays
}

/// `md0 : active (auto-read-only) raid1 sdb1[1] sda1[0](F)`.
fn head(line: &str) -> Option<Array> {
    let (name, rest) = line.split_once(" : ")?;
    let mut words = rest.split_whitespace().peekable();
    let activity = match words.next()? {
        "active" => Activity::Active,
        "inactive" => Activity::Inactive,
        "broken" => Activity::Broken,
        _ => return None,
    };
    while words.next_if(|word| word.starts_with('(')).is_some() {}
    let level = match activity {
        Activity::Inactive => None,
        _ => words.next_if(|word| !word.contains('[')).map(str::to_owned),
    };
    Some(Array {
        name: name.trim().to_owned(),
        activity,
        level,
        members: words.filter_map(member).collect(),
        ..Array::default()
    })
    .filter(|array| !array.name.is_empty())
}

/// `sda1[0](W)(F)`.
fn member(word: &str) -> Option<Member> {
    let (name, rest) = word.split_once('[')?;
    let (_, flags) = rest.split_once(']')?;
    (!name.is_empty()).then(|| Member {
        name: name.to_owned(),
        faulty: flags.contains("(F)"),
        spare: flags.contains("(S)"),
        journal: flags.contains("(J)"),
    })
}

fn take_line(array: &mut Array, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [first, second, ..] = words.as_slice()
        && *second == "blocks"
    {
        array.blocks = first.parse().ok();
        array.metadata = after(&words, "super").map(str::to_owned);
        array.disks = words.iter().find_map(|word| fraction(word, '[', ']'));
        return;
    }
    if words.first() == Some(&"bitmap:") {
        array.bitmap_pages = words.get(1).and_then(|word| {
            let (used, all) = word.split_once('/')?;
            Some((used.parse().ok()?, all.parse().ok()?))
        });
        return;
    }
    array.sync = array.sync.take().or_else(|| sync(&words));
}

/// `[==>…] recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec`, `resync=DELAYED`.
fn sync(words: &[&str]) -> Option<Sync> {
    let actions = [
        "resync", "recovery", "recover", "check", "repair", "reshape",
    ];
    let (at, action, waits) = words.iter().enumerate().find_map(|(at, word)| {
        let (action, rest) = word.split_once('=').unwrap_or((word, ""));
        let waits = rest.starts_with(|c: char| c.is_ascii_uppercase());
        actions
            .contains(&action)
            .then(|| (at, action.to_owned(), waits.then(|| rest.to_owned())))
    })?;
    if let Some(word) = waits {
        return Some(Sync {
            action,
            progress: Progress::Waiting(word),
        });
    }
    let rest = &words[at + 1..];
    let (done, total) = rest.iter().find_map(|word| fraction(word, '(', ')'))?;
    let value = |key: &str, unit: &str| {
        let found = rest.iter().find_map(|word| word.strip_prefix(key));
        found?.strip_suffix(unit).map(str::to_owned)
    };
    Some(Sync {
        action,
        progress: Progress::Running {
            done,
            total,
            finish_seconds: value("finish=", "min").and_then(|text| minutes(&text)),
            speed: value("speed=", "K/sec").and_then(|text| text.parse().ok()),
        },
    })
}

/// Minutes and tenths, in seconds.
fn minutes(text: &str) -> Option<u64> {
    let (whole, tenths) = text.split_once('.')?;
    let tenths: u64 = tenths.parse().ok().filter(|tenths| *tenths < 10)?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(60)?
        .checked_add(tenths * 6)
}

/// Two numbers in brackets: `[2/1]`, `(37043392/292945152)`.
fn fraction(word: &str, open: char, close: char) -> Option<(u64, u64)> {
    let (first, second) = word
        .strip_prefix(open)?
        .strip_suffix(close)?
        .split_once('/')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn after<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == key)?;
    words.get(at + 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(name: &str, flags: &str) -> Member {
        Member {
            name: name.into(),
            faulty: flags.contains('F'),
            spare: flags.contains('S'),
            journal: flags.contains('J'),
        }
    }

    #[test]
    fn levels_and_states_of_many_kernels() {
        let text = b"Personalities : [raid1] [linear] [raid0] [raid6] [raid5] [raid4] [raid10] [faulty] \n\
md3 : active raid6 sda1[8] sdh1[7] sdg1[6] sde1[9](F) sdi1[10](S)\n      5853468288 blocks super 1.2 level 6, 64k chunk, algorithm 2 [8/7] [UUUUUUU_]\n\
\x20     [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec\n      bitmap: 3/15 pages [12KB], 65536KB chunk\n\n\
md127 : active (auto-read-only) raid1 nvme1n1p2[1] nvme0n1p2[0](W)\n      312319552 blocks [2/2] [UU]\n      \tresync=PENDING\n\n\
md0 : active raid0 sdc1[0] sdd1[1]\n      314159265 blocks 64k chunks\n\n\
md4 : inactive raid1 sda3[0](F) sdb3[1](S)\n      4883648 blocks\n\n\
md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      195310144 blocks [2/1] [U_]\n      resync=DELAYED\n\n\
md8 : broken raid0 dm-0[0]\n      1024 blocks super 1.1 512k chunks\n\n\
md9 : active linear sdx1[0] cciss/c0d0p1[1]\n      1024 blocks super 1.2 0k rounding\n\n\
md10 : active raid5 sdl[0] sdm[1] nvme2n1[3](J)\n      2048 blocks super 1.2 level 5, 512k chunk, algorithm 2 [2/2] [UU]\n\
\x20     [====================>]  check =100.0% (1024/1024) finish=0.0min speed=-3K/sec\n\n\
md126 : active raid1 sdy[1] sdz[0]\n      1000 blocks super external:/md125/0 [2/2] [UU]\n\tresync=REMOTE\n\n\
md125 : inactive sdy[1](S) sdz[0](S)\n      6306 blocks super external:imsm\n       \n\
unused devices: <none>\n";
        let arrays = parse(text);
        let names: Vec<_> = arrays.iter().map(|array| array.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "md3", "md127", "md0", "md4", "md6", "md8", "md9", "md10", "md126", "md125"
            ]
        );
        assert_eq!(
            arrays[0],
            Array {
                name: "md3".into(),
                activity: Activity::Active,
                level: Some("raid6".into()),
                members: vec![
                    member("sda1", ""),
                    member("sdh1", ""),
                    member("sdg1", ""),
                    member("sde1", "F"),
                    member("sdi1", "S"),
                ],
                blocks: Some(5_853_468_288),
                metadata: Some("1.2".into()),
                disks: Some((8, 7)),
                sync: Some(Sync {
                    action: "recovery".into(),
                    progress: Progress::Running {
                        done: 16_775_552,
                        total: 195_310_144,
                        finish_seconds: Some(1020),
                        speed: Some(259_783),
                    },
                }),
                bitmap_pages: Some((3, 15)),
            }
        );
        let waiting = |at: usize| match &arrays[at].sync {
            Some(Sync {
                action,
                progress: Progress::Waiting(word),
            }) => format!("{action} {word}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (arrays[1].metadata.as_deref(), arrays[1].disks),
            (None, Some((2, 2)))
        );
        assert_eq!(waiting(1), "resync PENDING");
        assert_eq!(
            (arrays[2].blocks, arrays[2].disks),
            (Some(314_159_265), None)
        );
        // Some kernels told the level of an inactive array; it is no member.
        assert_eq!(
            (
                arrays[3].activity,
                arrays[3].members.len(),
                arrays[3].level.clone()
            ),
            (Activity::Inactive, 2, None)
        );
        assert_eq!(waiting(4), "resync DELAYED");
        assert_eq!(arrays[5].activity, Activity::Broken);
        assert_eq!(arrays[5].level.as_deref(), Some("raid0"));
        assert_eq!(arrays[6].members[1].name, "cciss/c0d0p1");
        assert!(arrays[7].members[2].journal);
        let check = arrays[7].sync.as_ref().unwrap();
        assert_eq!(
            check.progress,
            Progress::Running {
                done: 1024,
                total: 1024,
                finish_seconds: Some(0),
                speed: None
            }
        );
        assert_eq!(waiting(8), "resync REMOTE");
        assert_eq!(arrays[9].metadata.as_deref(), Some("external:imsm"));
    }

    #[test]
    fn without_arrays() {
        assert_eq!(parse(b"Personalities : \nunused devices: <none>\n"), []);
        assert_eq!(parse(b"Personalities : [raid1] \n      12 blocks\n"), []);
        assert_eq!(parse(b""), []);
    }

    proptest! {
        #[test]
        fn what_the_kernel_prints_is_read(
            names in proptest::collection::vec("[a-z][a-z0-9]{1,6}", 1..6),
            blocks: u64,
            (required, working) in (0u64..30, 0u64..30),
            (done, total, tenths) in (0u64..1 << 50, 0u64..1 << 50, 0u64..100_000),
            speed in 0u64..10_000_000,
        ) {
            let members: Vec<String> =
                names.iter().enumerate().map(|(i, name)| format!("{name}[{i}]")).collect();
            let text = format!(
                "md7 : active raid10 {}\n      {blocks} blocks super 1.2 512K chunks 2 near-copies [{required}/{working}] [U_]\n      [>....]  reshape ={:3}.{}% ({done}/{total}) finish={}.{}min speed={speed}K/sec\n      \nunused devices: <none>\n",
                members.join(" "), 4, 5, tenths / 10, tenths % 10,
            );
            let arrays = parse(text.as_bytes());
            prop_assert_eq!(arrays.len(), 1);
            let found: Vec<_> = arrays[0].members.iter().map(|m| m.name.clone()).collect();
            prop_assert_eq!(found, names);
            prop_assert_eq!(arrays[0].blocks, Some(blocks));
            prop_assert_eq!(arrays[0].disks, Some((required, working)));
            let progress = Progress::Running {
                done, total, finish_seconds: Some(tenths * 6), speed: Some(speed),
            };
            prop_assert_eq!(&arrays[0].sync.as_ref().unwrap().progress, &progress);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            parse(&bytes);
        }

        #[test]
        fn any_words_are_no_panic(text in "(md[0-9] : (active|inactive|broken)?( |\\(|\\)|\\[|\\]|=|/|[0-9]|U|_|raid1|resync|finish|\n){0,40}){0,4}") {
            for array in parse(text.as_bytes()) {
                prop_assert!(!array.name.is_empty());
            }
        }
    }
}
