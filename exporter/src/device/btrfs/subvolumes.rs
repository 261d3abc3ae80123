//! Subvolumes and snapshots: items of the root tree, and what a list of them says of their ages.
//!
//! Source: kernel `linux/btrfs_tree.h` (`btrfs_root_item`, `btrfs_root_ref`), `btrfs_ioctl_search_header`.

use std::collections::BTreeMap;

use tidegauge_ioctl::btrfs::SubvolumeInfo;
use tidegauge_model::mount::displayable;

/// `BTRFS_FS_TREE_OBJECTID`: the top subvolume.
pub const TOP: u64 = 5;
/// `BTRFS_FIRST_FREE_OBJECTID` and `BTRFS_LAST_FREE_OBJECTID`: numbers of all others.
pub const FIRST: u64 = 256;
/// See [`FIRST`].
pub const LAST: u64 = u64::MAX - 255;
/// `BTRFS_ROOT_ITEM_KEY`.
pub const ROOT_ITEM: u32 = 132;
/// `BTRFS_ROOT_BACKREF_KEY`.
pub const ROOT_BACKREF: u32 = 144;
/// Subvolumes lie in each other no deeper than this.
const DEEPEST: usize = 64;
/// The snapshots of a subvolume that is deleted.
pub const DELETED: &str = "deleted";
/// Subvolumes that were received.
pub const RECEIVED: &str = "received";

/// Where a subvolume lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The subvolume that holds it.
    pub parent: u64,
    /// The inode of the directory there.
    pub directory: u64,
    /// Its name in that directory.
    pub name: Vec<u8>,
}

/// An item of the root tree that says something of a subvolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// It is there.
    Subvolume(SubvolumeInfo),
    /// The subvolume of this number lies there.
    Place(u64, Place),
}

/// Reads a buffer of TREE_SEARCH_V2 with at most so many items: those of subvolumes, and the key (object, kind,
/// offset) of the last item of any kind. Whatever does not fit into the buffer is not there.
pub fn items(buffer: &[u8], most: u32) -> (Vec<Item>, Option<(u64, u32, u64)>) {
    let (mut found, mut last) = (Vec::new(), None);
    let mut rest = buffer;
    for _ in 0..most {
        let mut header = Fields(rest);
        let key = (|| {
            header.u64()?;
            let (object, offset) = (header.u64()?, header.u64()?);
            let (kind, length) = (header.u32()?, header.u32()?);
            Some((object, kind, offset, usize::try_from(length).ok()?))
        })();
        let Some((object, kind, offset, length)) = key else {
            break;
        };
        let Some((body, after)) = header.0.split_at_checked(length) else {
            break;
        };
        (rest, last) = (after, Some((object, kind, offset)));
        let is_subvolume = (FIRST..=LAST).contains(&object);
        match kind {
            ROOT_ITEM if is_subvolume => found.extend(root_item(object, body).map(Item::Subvolume)),
            ROOT_BACKREF if is_subvolume => {
                found.extend(root_ref(offset, body).map(|place| Item::Place(object, place)));
            }
            _ => {}
        }
    }
    (found, last)
}

/// The UUID of the top subvolume from a buffer as in [`items`]; zeros when it is not there.
pub fn top_uuid(buffer: &[u8], most: u32) -> [u8; 16] {
    let mut header = Fields(buffer);
    let body = (|| {
        header.skip(8)?;
        let is_top = header.u64()? == TOP;
        header.skip(12)?;
        let length = usize::try_from(header.u32()?).ok()?;
        (is_top && most > 0).then(|| header.0.get(..length))?
    })();
    let found = body.and_then(|body| root_item(TOP, body));
    found.map_or(NONE, |found| found.uuid)
}

/// Numbers of the disk's format, little endian, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
}

/// `struct btrfs_root_item`; `None` for a subvolume that is deleted.
fn root_item(id: u64, body: &[u8]) -> Option<SubvolumeInfo> {
    let mut fields = Fields(body);
    fields.skip(160)?;
    let generation = fields.u64()?;
    fields.skip(40)?;
    let flags = fields.u64()?;
    let refs = fields.u32()?;
    if refs == 0 {
        return None;
    }
    let mut found = SubvolumeInfo {
        id,
        read_only: flags & 1 != 0,
        ..SubvolumeInfo::default()
    };
    // Kernels before 3.6 end here, and leave what follows as it was.
    let mut newer = || {
        fields.skip(17 + 2)?;
        let is_valid = fields.u64()? == generation;
        let uuids = [fields.array()?, fields.array()?, fields.array()?];
        fields.skip(4 * 8 + 12)?;
        let created = fields.u64()?;
        is_valid.then_some((uuids, created))
    };
    if let Some(([uuid, snapshot_of, received_from], created)) = newer() {
        found = SubvolumeInfo {
            uuid,
            snapshot_of,
            received_from,
            created,
            ..found
        };
    }
    Some(found)
}

/// `struct btrfs_root_ref` and the name behind it.
fn root_ref(parent: u64, body: &[u8]) -> Option<Place> {
    let mut fields = Fields(body);
    let directory = fields.u64()?;
    fields.skip(8)?;
    let length = usize::from(fields.u16()?);
    Some(Place {
        parent,
        directory,
        name: fields.0.get(..length)?.to_vec(),
    })
}

/// The subvolumes of a filesystem, or what could be seen of them. The top one is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// By their numbers.
    pub subvolumes: BTreeMap<u64, SubvolumeInfo>,
    /// Paths from the top of the filesystem, of those whose path is known.
    pub paths: BTreeMap<u64, String>,
    /// The UUID of the top subvolume, of which there may be snapshots.
    pub top: [u8; 16],
    /// Why some are missing; `None` when all are there.
    pub incomplete: Option<Incomplete>,
}

/// Why a list of subvolumes is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// Without CAP_SYS_ADMIN some could not be reached from the mount point.
    Rights,
    /// There are more than were asked for.
    TooMany,
}

/// What is known of the snapshots of one subvolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Of which: its path from the top, which begins with a slash, or [`DELETED`], or [`RECEIVED`].
    pub of: String,
    /// How many.
    pub count: usize,
    /// When the oldest and the newest were made, in seconds since 1970.
    pub made: Option<(u64, u64)>,
}

const NONE: [u8; 16] = [0; 16];

impl Listing {
    /// How many of the subvolumes are snapshots.
    pub fn snapshots(&self) -> usize {
        let is_snapshot = |one: &&SubvolumeInfo| one.snapshot_of != NONE;
        self.subvolumes.values().filter(is_snapshot).count()
    }

    /// Numbers of the subvolumes of which there are snapshots.
    pub fn sources(&self) -> Vec<u64> {
        let mut by_uuid = self.by_uuid();
        by_uuid.retain(|uuid, _| {
            let mut all = self.subvolumes.values();
            all.any(|one| one.snapshot_of == *uuid)
        });
        let mut ids: Vec<u64> = by_uuid.into_values().collect();
        ids.sort_unstable();
        ids
    }

    fn by_uuid(&self) -> BTreeMap<[u8; 16], u64> {
        let all = self.subvolumes.values().map(|one| (one.uuid, one.id));
        let mut by_uuid: BTreeMap<_, _> = all.chain([(self.top, TOP)]).collect();
        by_uuid.remove(&NONE);
        by_uuid
    }

    /// Snapshots grouped by the subvolume of which they are: of at most so many, the oldest subvolumes first,
    /// beside those that were received and those of deleted ones.
    pub fn ages(&self, most: usize) -> Vec<Snapshots> {
        let by_uuid = self.by_uuid();
        // None of a subvolume is sorted last.
        let mut groups: BTreeMap<(u64, &str), Vec<u64>> = BTreeMap::new();
        for one in self.subvolumes.values() {
            let key = if one.received_from != NONE {
                (u64::MAX, RECEIVED)
            } else if one.snapshot_of == NONE {
                continue;
            } else if let Some(source) = by_uuid.get(&one.snapshot_of) {
                (*source, "")
            } else {
                (u64::MAX, DELETED)
            };
            groups.entry(key).or_default().push(one.created);
        }
        let group = |((source, name), made): ((u64, &str), Vec<u64>)| {
            let of = match source {
                u64::MAX => name.to_owned(),
                TOP => "/".to_owned(),
                // A path that nobody could tell is no name to go by.
                source => self.paths.get(&source)?.clone(),
            };
            // Old kernels kept no times.
            let times = made.iter().copied().filter(|time| *time > 0);
            let made_between = times.clone().min().zip(times.max());
            Some(Snapshots {
                of,
                count: made.len(),
                made: made_between,
            })
        };
        let is_of_one = |((source, _), _): &((u64, &str), Vec<u64>)| *source != u64::MAX;
        let (of_one, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_of_one);
        let chosen = of_one.into_iter().filter_map(group).take(most);
        chosen.chain(others.into_iter().filter_map(group)).collect()
    }
}

/// The path of a subvolume from the top, by where it and those around it lie. `directory` tells the path of a
/// directory (subvolume, inode) from the root of its subvolume, ending in a slash or empty.
pub fn path(
    id: u64,
    places: &BTreeMap<u64, Place>,
    mut directory: impl FnMut(u64, u64) -> Option<Vec<u8>>,
) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let mut path = Vec::new();
    let mut at = id;
    for _ in 0..DEEPEST {
        if at == TOP {
            let text = std::ffi::OsStr::from_bytes(&path);
            return Some(displayable(text).into_owned());
        }
        let place = places.get(&at)?;
        let above = directory(place.parent, place.directory)?;
        path = [b"/", above.as_slice(), &place.name, &path].concat();
        at = place.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A root item as the kernel writes it.
    fn item(refs: u32, uuid: u8, of: u8, received: u8, created: u64) -> Vec<u8> {
        let mut body = vec![0; 439];
        body[160..168].copy_from_slice(&7_u64.to_le_bytes());
        body[208] = 1;
        body[216..220].copy_from_slice(&refs.to_le_bytes());
        body[239..247].copy_from_slice(&7_u64.to_le_bytes());
        body[247..263].fill(uuid);
        body[263..279].fill(of);
        body[279..295].fill(received);
        body[339..347].copy_from_slice(&created.to_le_bytes());
        body
    }

    fn backref(directory: u64, name: &str) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap();
        let numbers = [directory.to_le_bytes(), 2_u64.to_le_bytes()].concat();
        [&numbers, length.to_le_bytes().as_slice(), name.as_bytes()].concat()
    }

    fn with_header(object: u64, kind: u32, offset: u64, body: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        for number in [9, object, offset] {
            all.extend(number.to_le_bytes());
        }
        all.extend(kind.to_le_bytes());
        all.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        all.extend(body);
        all
    }

    fn tree() -> Vec<u8> {
        [
            with_header(256, ROOT_ITEM, 0, &item(1, 1, 0, 0, 100)),
            with_header(256, ROOT_BACKREF, 5, &backref(300, "daily")),
            with_header(257, 1, 0, &[0; 160]),
            with_header(258, ROOT_ITEM, 8, &item(1, 2, 1, 0, 200)),
            with_header(258, ROOT_BACKREF, 256, &backref(256, "s1")),
            with_header(259, ROOT_ITEM, 8, &item(0, 3, 1, 0, 300)),
        ]
        .concat()
    }

    #[test]
    fn items_of_the_root_tree() {
        let buffer = tree();
        let (found, last) = items(&buffer, 6);
        assert_eq!(last, Some((259, ROOT_ITEM, 8)));
        let [
            Item::Subvolume(first),
            Item::Place(256, place),
            Item::Subvolume(second),
            Item::Place(258, _),
        ] = &found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!((first.id, first.created, first.uuid), (256, 100, [1; 16]));
        assert_eq!((first.snapshot_of, first.read_only), ([0; 16], true));
        assert_eq!((second.id, second.snapshot_of), (258, [1; 16]));
        assert_eq!(
            place,
            &Place {
                parent: 5,
                directory: 300,
                name: b"daily".to_vec()
            }
        );
        let top = with_header(TOP, ROOT_ITEM, 0, &item(1, 9, 0, 0, 100));
        assert_eq!(top_uuid(&top, 1), [9; 16]);
        assert_eq!(top_uuid(&top, 0), NONE);
        assert_eq!(top_uuid(&buffer, 1), NONE);
        // No more than the kernel says are there, however long the buffer is.
        assert_eq!(items(&buffer, 2).0.len(), 2);
        let padded = [buffer, vec![0; 100]].concat();
        assert_eq!(items(&padded, 6).0, found);
    }

    #[test]
    fn an_old_root_item_has_no_times() {
        let old = &item(1, 1, 1, 1, 100)[..239];
        let mut stale = item(1, 1, 1, 1, 100);
        stale[239] = 6;
        for body in [old, &stale] {
            let found = root_item(256, body).unwrap();
            assert_eq!((found.uuid, found.created), ([0; 16], 0));
        }
        assert_eq!(root_item(256, &old[..200]), None);
    }

    #[test]
    fn paths_from_the_top() {
        let buffer = tree();
        let places: BTreeMap<u64, Place> = items(&buffer, 6)
            .0
            .into_iter()
            .filter_map(|item| match item {
                Item::Place(id, place) => Some((id, place)),
                Item::Subvolume(_) => None,
            })
            .collect();
        let directory = |_, inode| {
            Some(if inode == 300 {
                b"a/b/".to_vec()
            } else {
                vec![]
            })
        };
        assert_eq!(path(256, &places, directory).as_deref(), Some("/a/b/daily"));
        assert_eq!(
            path(258, &places, directory).as_deref(),
            Some("/a/b/daily/s1")
        );
        assert_eq!(path(259, &places, directory), None);
        assert_eq!(path(258, &places, |_, _| None), None);
        // Two that would lie in each other.
        let ring = |parent| Place {
            parent,
            directory: 256,
            name: vec![b'x'],
        };
        let places = BTreeMap::from([(300, ring(301)), (301, ring(300))]);
        assert_eq!(path(300, &places, directory), None);
    }

    type Row = (String, usize, Option<(u64, u64)>);

    fn listing(all: &[(u64, u8, u8, u8, u64)]) -> Listing {
        let one = |&(id, uuid, of, received, created): &(u64, u8, u8, u8, u64)| SubvolumeInfo {
            id,
            uuid: [uuid; 16],
            snapshot_of: [of; 16],
            received_from: [received; 16],
            created,
            ..SubvolumeInfo::default()
        };
        Listing {
            subvolumes: all.iter().map(|row| (row.0, one(row))).collect(),
            paths: [(256, "/daily"), (257, "/logs")]
                .map(|(id, path)| (id, path.to_owned()))
                .into(),
            top: [99; 16],
            incomplete: None,
        }
    }

    #[test]
    fn ages_of_snapshots_by_what_they_are_of() {
        let listing = listing(&[
            (256, 1, 0, 0, 50),
            (257, 2, 0, 0, 60),
            (258, 3, 1, 0, 100),
            (259, 4, 1, 0, 300),
            (260, 5, 2, 0, 0),
            (261, 6, 77, 0, 400),
            (262, 7, 0, 9, 500),
            (263, 8, 99, 0, 600),
        ]);
        assert_eq!(listing.snapshots(), 5);
        assert_eq!(listing.sources(), [5, 256, 257]);
        let shown = |most| -> Vec<Row> {
            let ages = listing.ages(most).into_iter();
            ages.map(|one| (one.of, one.count, one.made)).collect()
        };
        let row = |of: &str, count, made| (of.to_owned(), count, made);
        assert_eq!(
            shown(10),
            [
                row("/", 1, Some((600, 600))),
                row("/daily", 2, Some((100, 300))),
                row("/logs", 1, None),
                row("deleted", 1, Some((400, 400))),
                row("received", 1, Some((500, 500))),
            ]
        );
        assert_eq!(shown(1).len(), 3, "bounded, but for what is of none");
    }

    proptest! {
        #[test]
        fn any_buffer(buffer: Vec<u8>, most in 0_u32..1000) {
            let (found, _) = items(&buffer, most);
            prop_assert!(found.len() <= buffer.len() / 32);
            top_uuid(&buffer, most);
        }

        #[test]
        fn any_damage(at in 0..2000_usize, byte: u8, cut in 0..2000_usize) {
            let mut buffer = tree();
            let length = buffer.len();
            buffer[at % length] = byte;
            buffer.truncate(cut);
            items(&buffer, 6);
        }
    }
}
