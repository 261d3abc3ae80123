use proptest::prelude::*;

use super::*;

const V3: &[u8] = include_bytes!("../../../tests/fixtures/mountstats/v3-linux-6.1");
const V4: &[u8] = include_bytes!("../../../tests/fixtures/mountstats/v4-linux-6.1");
const LINUX_3_10: &[u8] = include_bytes!("../../../tests/fixtures/mountstats/v3-linux-3.10");
const UDP: &[u8] = include_bytes!("../../../tests/fixtures/mountstats/v3-udp-linux-2.6.32");
const RDMA: &[u8] = include_bytes!("../../../tests/fixtures/mountstats/v4.1-rdma-linux-5.14");

fn whole(content: &[u8]) -> MountStats<'_> {
    let stats = parse(content);
    assert_eq!((stats.bad_lines, stats.first_bad), (0, None));
    stats
}

fn operation_of<'m>(mount: &NfsMount<'m>, name: &str) -> Operation<'m> {
    let found = mount.operations.iter().find(|o| o.name == name);
    *found.unwrap()
}

#[test]
fn version_3_of_a_kernel_of_today() {
    let stats = whole(V3);
    let mount = &stats.mounts[0];
    assert_eq!(mount.source.as_ref(), b"nas:/volume1/jts");
    assert_eq!(mount.mountpoint.as_ref(), b"/mnt/jts");
    assert!(mount.options.starts_with("rw,vers=3,rsize=262144"));
    assert_eq!((mount.age, mount.lease_time), (Some(20), None));
    let bytes = mount.bytes.unwrap();
    assert_eq!(
        (bytes.normal_written, bytes.server_written),
        (4_194_304, 4_194_304)
    );
    assert_eq!((bytes.read_pages, bytes.write_pages), (0, 1024));
    assert_eq!(
        mount.transports,
        [Transport {
            protocol: "tcp",
            source_port: 814,
            binds: 1,
            connects: Some(2),
            connect_seconds: Some(0),
            idle_seconds: Some(1),
            sends: 36,
            receives: 36,
            bad_xids: 0,
            active: 132,
            backlog: 0,
            max_slots: Some(16),
            sending: Some(134),
            pending: Some(77),
        }]
    );
    assert_eq!(mount.operations.len(), 22);
    assert_eq!(
        operation_of(mount, "WRITE"),
        Operation {
            name: "WRITE",
            requests: 16,
            transmissions: 16,
            major_timeouts: 0,
            sent: 4_196_160,
            received: 2176,
            queue_ms: 1088,
            response_ms: 1399,
            request_ms: 2511,
            errors: Some(0),
        }
    );
    assert_eq!(operation_of(mount, "LOOKUP").errors, Some(2));
}

#[test]
fn kernels_of_before_tell_less() {
    let stats = whole(UDP);
    assert_eq!(stats.mounts.len(), 1);
    let mount = &stats.mounts[0];
    assert_eq!(mount.mountpoint.as_ref(), b"/mnt/old data");
    let udp = mount.transports[0];
    assert_eq!(
        (udp.source_port, udp.binds, udp.sends, udp.receives),
        (832, 1, 6428, 6421)
    );
    assert_eq!((udp.bad_xids, udp.active, udp.backlog), (7, 11_992, 3));
    assert_eq!(
        (udp.connects, udp.idle_seconds, udp.max_slots),
        (None, None, None)
    );
    let read = operation_of(mount, "READ");
    assert_eq!(
        (read.transmissions, read.major_timeouts, read.errors),
        (4967, 1, None)
    );
    let events = mount.events.unwrap();
    assert_eq!(
        (
            events.silly_rename,
            events.short_read,
            events.short_write,
            events.delay
        ),
        (7, 2, 1, 5)
    );
    assert_eq!(
        (events.data_invalidate, events.attribute_invalidate),
        (11, 13)
    );

    let stats = whole(LINUX_3_10);
    let mount = &stats.mounts[0];
    assert_eq!(mount.bytes.unwrap().normal_read, u64::MAX);
    assert_eq!(operation_of(mount, "GETATTR").requests, u64::MAX);
    assert_eq!(operation_of(mount, "23").sent, 44);
    let tcp = mount.transports[0];
    assert_eq!(
        (tcp.idle_seconds, tcp.bad_xids, tcp.max_slots),
        (None, 1, Some(2))
    );
}

#[test]
fn rdma_has_counters_of_its_own_after_the_common_ones() {
    let stats = whole(RDMA);
    let mount = &stats.mounts[0];
    let rdma = mount.transports[0];
    assert_eq!(
        (rdma.source_port, rdma.connects, rdma.idle_seconds),
        (0, Some(3), Some(7))
    );
    assert_eq!(
        (
            rdma.sends,
            rdma.receives,
            rdma.bad_xids,
            rdma.active,
            rdma.backlog
        ),
        (506, 505, 1, 506, 9)
    );
    assert_eq!(
        (rdma.max_slots, rdma.sending, rdma.pending),
        (None, None, None)
    );
    assert_eq!(
        (mount.lease_time, mount.lease_expired),
        (Some(90), Some(12))
    );
    let read = operation_of(mount, "READ");
    assert_eq!((read.transmissions, read.errors), (12, Some(4)));
}

#[test]
fn several_connections_and_mounts_of_version_4() {
    let stats = whole(V4);
    assert!(stats.mounts.iter().any(|mount| mount.transports.len() == 4));
    for mount in &stats.mounts {
        assert!(mount.options.contains("vers=4."));
        assert!(mount.operations.len() > 50);
        assert_eq!(mount.lease_expired, Some(0));
    }
}

#[test]
fn the_procfs_crate_reads_the_same() {
    use procfs::FromRead;
    for content in [V3, V4, LINUX_3_10, RDMA] {
        let theirs = procfs::process::MountStats::from_read(content).unwrap();
        let ours = whole(content);
        let theirs: Vec<_> = theirs
            .into_iter()
            .filter(|m| m.statistics.is_some())
            .collect();
        assert_eq!(ours.mounts.len(), theirs.len());
        for (our, their) in ours.mounts.iter().zip(theirs) {
            assert_eq!(
                Some(our.mountpoint.as_ref()),
                their.mount_point.to_str().map(str::as_bytes)
            );
            let their = their.statistics.unwrap();
            assert_eq!(our.options.split(',').collect::<Vec<_>>(), their.opts);
            assert_eq!(our.age, Some(their.age.as_secs()));
            let (bytes, events) = (our.bytes.unwrap(), our.events.unwrap());
            assert_eq!(
                [
                    bytes.normal_read,
                    bytes.normal_written,
                    bytes.direct_read,
                    bytes.direct_written,
                    bytes.server_read,
                    bytes.server_written,
                    bytes.read_pages,
                    bytes.write_pages,
                ],
                [
                    their.bytes.normal_read,
                    their.bytes.normal_write,
                    their.bytes.direct_read,
                    their.bytes.direct_write,
                    their.bytes.server_read,
                    their.bytes.server_write,
                    their.bytes.pages_read,
                    their.bytes.pages_write,
                ]
            );
            assert_eq!(
                [
                    events.data_invalidate,
                    events.attribute_invalidate,
                    events.silly_rename,
                    events.short_read,
                    events.short_write,
                    events.delay,
                ],
                [
                    their.events.data_invalidate,
                    their.events.attr_invalidate,
                    their.events.silly_rename,
                    their.events.short_read,
                    their.events.short_write,
                    their.events.delay,
                ]
            );
            assert_eq!(our.operations.len(), their.per_op_stats.len());
            for operation in &our.operations {
                let their = &their.per_op_stats[operation.name];
                assert_eq!(
                    [
                        operation.requests,
                        operation.transmissions,
                        operation.major_timeouts,
                        operation.sent,
                        operation.received,
                    ],
                    [
                        their.operations,
                        their.transmissions,
                        their.major_timeouts,
                        their.bytes_sent,
                        their.bytes_recv,
                    ]
                );
                assert_eq!(
                    [
                        operation.queue_ms,
                        operation.response_ms,
                        operation.request_ms
                    ]
                    .map(u128::from),
                    [
                        their.cum_queue_time.as_millis(),
                        their.cum_resp_time.as_millis(),
                        their.cum_total_req_time.as_millis(),
                    ]
                );
            }
        }
    }
}

#[test]
fn a_bad_line_costs_only_itself() {
    let text = String::from_utf8_lossy(V3);
    for (good, bad, problem) in [
        ("age:\t20", "age:\t2O", "the age is not a number"),
        ("bytes:\t0 ", "bytes:\t", "too few counters"),
        ("tcp 814 1 2 0 1 36 36", "tcp 814 1 2 0 1 36", ""),
        (
            "tcp 814 1 2 0 1 36 36",
            "tcp 814 1 2 0 1 x 36",
            "a counter of a transport is not a number",
        ),
        (
            "xprt:\ttcp",
            "xprt:\tquic",
            "a transport of an unknown kind",
        ),
        (
            "LOOKUP: 2 2",
            "LOOKUP: 2 18446744073709551616",
            "a counter is not a number",
        ),
        ("  NULL: 1 1", "  NULL 1 1", "an operation without a name"),
    ] {
        let text = text.replacen(good, bad, 1);
        let stats = parse(text.as_bytes());
        let mount = &stats.mounts[0];
        if problem.is_empty() {
            // A counter less is that of an older kernel.
            assert_eq!(stats.bad_lines, 0);
            continue;
        }
        assert_eq!(
            (stats.bad_lines, stats.first_bad.unwrap().1),
            (1, problem),
            "{bad}"
        );
        assert_eq!(operation_of(mount, "WRITE").requests, 16);
    }
}

#[test]
fn what_is_cut_short_is_not_taken_for_a_smaller_number() {
    let text = std::str::from_utf8(V3).unwrap();
    let end = text.find("4196160").unwrap() + 3;
    let stats = parse(&text.as_bytes()[..end]);
    assert_eq!(stats.first_bad.unwrap().1, "it has no end");
    let mount = &stats.mounts[0];
    assert!(mount.operations.iter().all(|o| o.name != "WRITE"));
    assert_eq!(operation_of(mount, "LOOKUP").requests, 2);
}

#[test]
fn names_may_be_any_bytes() {
    let text = b"device a:/\xff\\040b mounted on /m\\012\xfe with fstype nfs4 statvers=1.1\n\tage:\t1\nno device mounted on /x with fstype proc\ndevice  mounted on /y with fstype tmpfs\n";
    let stats = whole(text);
    assert_eq!(stats.mounts.len(), 1);
    assert_eq!(stats.mounts[0].source.as_ref(), b"a:/\xff b");
    assert_eq!(stats.mounts[0].mountpoint.as_ref(), b"/m\n\xfe");
    assert_eq!(parse(b"device a mounted\n").bad_lines, 1);
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    /// Any damage to a file of today: no panic, and never more than there was.
    #[test]
    fn any_damage_is_survived(at in 0usize..2000, with in "[ \t\na-z0-9:-]{0,12}", end in 0usize..4000) {
        let mut content = V3.to_vec();
        let at = at.min(content.len());
        let after = (at + with.len()).min(content.len());
        content.splice(at..after, with.bytes());
        content.truncate(end);
        let stats = parse(&content);
        let lines = content.split(|b| *b == b'\n').count();
        prop_assert!(stats.mounts.iter().map(|m| m.operations.len()).sum::<usize>() <= lines);
    }

    #[test]
    fn every_counter_of_an_operation_is_kept(values: [u64; 9]) {
        let numbers: Vec<String> = values.iter().map(u64::to_string).collect();
        let line = format!("OPEN_NOATTR: {}", numbers.join(" "));
        let read = operation(&line).unwrap();
        let back = [
            read.requests,
            read.transmissions,
            read.major_timeouts,
            read.sent,
            read.received,
            read.queue_ms,
            read.response_ms,
            read.request_ms,
            read.errors.unwrap(),
        ];
        prop_assert_eq!(back, values);
        let mut sum = read;
        sum.add(&read);
        prop_assert_eq!(sum.sent, values[3].wrapping_mul(2));
    }
}
