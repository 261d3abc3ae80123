//! The families of the collector, each with how its value is read.

use tidegauge_model::metric::{FamilySpec, Value};

use crate::collector::table::Table;

use super::transport::Connections;
use crate::device::mountstats::{ByteCounts, Events, NfsMount, Operation};
use crate::device::nfs_options::Options;

const MOUNT: &[&str] = &["tier", "mountpoint", "device"];
const OPERATION: &[&str] = &["tier", "mountpoint", "device", "operation"];
const TRANSPORT: &[&str] = &["tier", "server", "version", "protocol"];

fn count(n: u64) -> Option<Value> {
    Some(Value::U64(n))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285,000 years of milliseconds"
)]
fn seconds(ms: u64) -> Option<Value> {
    Some(Value::F64(ms as f64 / 1e3))
}

/// An option in tenths of a second.
fn tenths(options: &Options<'_>, key: &str) -> Option<Value> {
    #[expect(clippy::cast_precision_loss, reason = "an option of 32 bits")]
    options.number(key).map(|n| Value::F64(n as f64 / 10.0))
}

fn whole(options: &Options<'_>, key: &str) -> Option<Value> {
    options.number(key).map(Value::U64)
}

pub static INFO: FamilySpec = FamilySpec::info(
    "tidegauge_nfs_mount_info",
    "How it is mounted: the options in force by their names in nfs(5); recovery is hard, soft or softerr; options that say nothing are empty.",
    &[
        "tier",
        "mountpoint",
        "device",
        "server",
        "vers",
        "proto",
        "sec",
        "recovery",
        "rsize",
        "wsize",
        "timeo",
        "retrans",
        "nconnect",
        "acregmin",
        "acregmax",
        "acdirmin",
        "acdirmax",
        "noac",
        "nocto",
        "lookupcache",
        "local_lock",
    ],
);

pub static MOUNTS: FamilySpec = FamilySpec::gauge(
    "tidegauge_nfs_mounts",
    "Mounts of this filesystem, which share all of its counters; shown are those of the first.",
    MOUNT,
);

pub static BAD_LINES: FamilySpec = FamilySpec::counter(
    "tidegauge_nfs_malformed_lines_total",
    "Lines of mountstats that were not understood.",
    &[],
);

pub static OPTIONS: Table<fn(&Options<'_>) -> Option<Value>, 4> = [
    (
        FamilySpec::gauge(
            "tidegauge_nfs_rsize_bytes",
            "The most that one request reads.",
            MOUNT,
        ),
        |o| whole(o, "rsize"),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_wsize_bytes",
            "The most that one request writes.",
            MOUNT,
        ),
        |o| whole(o, "wsize"),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_timeo_seconds",
            "How long a request waits for its answer before it is sent again.",
            MOUNT,
        ),
        |o| tenths(o, "timeo"),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_retrans",
            "How often a request is sent again before that counts as a major time-out.",
            MOUNT,
        ),
        |o| whole(o, "retrans"),
    ),
];

pub static STATE: Table<fn(&NfsMount<'_>) -> Option<Value>, 3> = [
    (
        FamilySpec::counter(
            "tidegauge_nfs_age_seconds_total",
            "Time since it was mounted.",
            MOUNT,
        ),
        |m| count(m.age?),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_lease_seconds",
            "How long the server keeps opens and locks of a client that it does not hear of (version 4).",
            MOUNT,
        ),
        |m| count(m.lease_time?),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_lease_expired_seconds",
            "For how long the lease has been over without being renewed; 0 while it holds (version 4).",
            MOUNT,
        ),
        |m| count(m.lease_expired?),
    ),
];

pub static BYTES: Table<fn(&ByteCounts) -> Option<Value>, 8> = [
    (
        FamilySpec::counter(
            "tidegauge_nfs_read_bytes_total",
            "Bytes that programs read through the page cache.",
            MOUNT,
        ),
        |b| count(b.normal_read),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_write_bytes_total",
            "Bytes that programs wrote through the page cache.",
            MOUNT,
        ),
        |b| count(b.normal_written),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_direct_read_bytes_total",
            "Bytes that programs read by O_DIRECT.",
            MOUNT,
        ),
        |b| count(b.direct_read),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_direct_write_bytes_total",
            "Bytes that programs wrote by O_DIRECT.",
            MOUNT,
        ),
        |b| count(b.direct_written),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_total_read_bytes_total",
            "Bytes read from the server.",
            MOUNT,
        ),
        |b| count(b.server_read),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_total_write_bytes_total",
            "Bytes written to the server.",
            MOUNT,
        ),
        |b| count(b.server_written),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_read_pages_total",
            "Pages read for memory maps and the page cache.",
            MOUNT,
        ),
        |b| count(b.read_pages),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_write_pages_total",
            "Pages written from memory maps and the page cache.",
            MOUNT,
        ),
        |b| count(b.write_pages),
    ),
];

pub static EVENTS: Table<fn(&Events) -> Option<Value>, 6> = [
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_data_invalidate_total",
            "Times that cached data of a file was thrown away.",
            MOUNT,
        ),
        |e| count(e.data_invalidate),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_attribute_invalidate_total",
            "Times that cached attributes were thrown away.",
            MOUNT,
        ),
        |e| count(e.attribute_invalidate),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_silly_rename_total",
            "Files removed while open, which are renamed until they are closed.",
            MOUNT,
        ),
        |e| count(e.silly_rename),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_short_read_total",
            "Reads of which the server gave less than asked for.",
            MOUNT,
        ),
        |e| count(e.short_read),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_short_write_total",
            "Writes of which the server took less than sent.",
            MOUNT,
        ),
        |e| count(e.short_write),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_event_jukebox_delay_total",
            "Times that the server asked to try again later.",
            MOUNT,
        ),
        |e| count(e.delay),
    ),
];

/// They count a request when it ends: while a server is silent they stand still.
pub static OPERATIONS: Table<fn(&Operation<'_>) -> Option<Value>, 9> = [
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_requests_total",
            "Requests that ended.",
            OPERATION,
        ),
        |o| count(o.requests),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_transmissions_total",
            "Times that a request was sent, counted when it ends: more than requests when some were sent again.",
            OPERATION,
        ),
        |o| count(o.transmissions),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_major_timeouts_total",
            "Times that a request was sent again as often as retrans says in vain.",
            OPERATION,
        ),
        |o| count(o.major_timeouts),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_errors_total",
            "Requests that ended with an error; a file that is not there is one (since Linux 5.3).",
            OPERATION,
        ),
        |o| count(o.errors?),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_sent_bytes_total",
            "Bytes sent, headers included.",
            OPERATION,
        ),
        |o| count(o.sent),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_received_bytes_total",
            "Bytes received, headers included.",
            OPERATION,
        ),
        |o| count(o.received),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_queue_time_seconds_total",
            "Time that requests waited before they were sent.",
            OPERATION,
        ),
        |o| seconds(o.queue_ms),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_response_time_seconds_total",
            "Time from sending requests to their answers.",
            OPERATION,
        ),
        |o| seconds(o.response_ms),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_operations_request_time_seconds_total",
            "Time from the beginning of requests to their end.",
            OPERATION,
        ),
        |o| seconds(o.request_ms),
    ),
];

pub static TRANSPORTS: Table<fn(&Connections) -> Option<Value>, 13> = [
    (
        FamilySpec::gauge(
            "tidegauge_nfs_transport_connections",
            "Connections to the server (nconnect), shared by its mounts of this version; the other families of this kind are sums over them.",
            TRANSPORT,
        ),
        |t| count(t.connections),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_bind_total",
            "Times that a port was bound for a connection.",
            TRANSPORT,
        ),
        |t| count(t.binds),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_connect_total",
            "Times that a connection was made.",
            TRANSPORT,
        ),
        |t| count(t.connects?),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_connect_time_seconds_total",
            "Time spent waiting for connections.",
            TRANSPORT,
        ),
        |t| count(t.connect_seconds?),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_transport_idle_time_seconds",
            "Time since any of the connections was used.",
            TRANSPORT,
        ),
        |t| count(t.idle_seconds?),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_sends_total",
            "Requests sent, those sent again included, counted when sent.",
            TRANSPORT,
        ),
        |t| count(t.sends),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_receives_total",
            "Replies received.",
            TRANSPORT,
        ),
        |t| count(t.receives),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_bad_transaction_ids_total",
            "Replies to no request that is known.",
            TRANSPORT,
        ),
        |t| count(t.bad_xids),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_active_requests_total",
            "Requests under way (slots in use), added up at each send: divided by sends their mean.",
            TRANSPORT,
        ),
        |t| count(t.active),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_backlog_queue_total",
            "Requests that wait for a slot, added up at each send.",
            TRANSPORT,
        ),
        |t| count(t.backlog),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_sending_queue_total",
            "Requests that wait to be sent, added up at each send.",
            TRANSPORT,
        ),
        |t| count(t.sending?),
    ),
    (
        FamilySpec::counter(
            "tidegauge_nfs_transport_pending_queue_total",
            "Requests that wait for a reply, added up at each send.",
            TRANSPORT,
        ),
        |t| count(t.pending?),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nfs_transport_maximum_rpc_slots",
            "The most slots that were ever in use.",
            TRANSPORT,
        ),
        |t| count(t.max_slots?),
    ),
];
