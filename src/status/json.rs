//! The report as JSON, for programs: `tidegauge status --output json`.
//!
//! Bytes are integers, ratios numbers from 0 to 1, levels `ok`, `warning`, `critical` or `unknown`;
//! what is not known is `null`. Names that are no text are escaped as in the metrics.

use serde_json::{Value, json};

use tidegauge_model::units::format_duration;

use super::report::{BranchRow, FilesystemRow, Fill, Report};
use super::table::word;

/// One JSON document, indented, with a newline at its end.
pub fn render(report: &Report) -> String {
    let tiers: Vec<Value> = report
        .tiers
        .iter()
        .map(|tier| {
            let thresholds: serde_json::Map<String, Value> = tier
                .thresholds
                .each()
                .map(|(name, ratio)| (name.to_owned(), json!(ratio.0)))
                .into_iter()
                .collect();
            let directories: Vec<Value> = tier
                .directories
                .iter()
                .map(|d| {
                    let fill = d.fill.as_ref();
                    let detail = d.detail.as_ref();
                    let older: serde_json::Map<String, Value> = detail
                        .iter()
                        .flat_map(|d| &d.older)
                        .map(|(age, bytes)| (format_duration(*age), json!(bytes)))
                        .collect();
                    json!({
                        "path": d.path,
                        "level": word(d.level),
                        "budget_bytes": d.budget,
                        "used_bytes": fill.ok().map(|f| f.used),
                        "used_ratio": fill.ok().and_then(|f| f.ratio),
                        "source": detail.map(|d| d.source),
                        "apparent_bytes": detail.and_then(|d| d.apparent),
                        "files": detail.and_then(|d| d.files),
                        "older_than_bytes": older,
                        "error": fill.err(),
                    })
                })
                .collect();
            merged(
                json!({
                    "name": tier.name,
                    "level": word(tier.level),
                    "up": tier.fill.is_some(),
                    "reasons": tier.reasons,
                    "thresholds": thresholds,
                    "filesystems": tier.filesystems.iter().map(filesystem).collect::<Vec<_>>(),
                    "directories": directories,
                }),
                tier.fill.as_ref(),
            )
        })
        .collect();
    let mut whole = json!({
        "exit_code": report.exit_code(),
        "tiers": tiers,
        "unassigned": report.unassigned.iter().map(filesystem).collect::<Vec<_>>(),
    });
    if let Some(listing) = &report.listing {
        whole["directories"] = json!({
            "biggest": listing.biggest.iter().map(branch).collect::<Vec<_>>(),
            "coldest": listing.coldest.iter().map(branch).collect::<Vec<_>>(),
            "failed": listing
                .failed
                .iter()
                .map(|(path, error)| json!({"path": path, "error": error}))
                .collect::<Vec<_>>(),
        });
    }
    format!("{whole:#}\n")
}

fn branch(row: &BranchRow) -> Value {
    json!({
        "tier": row.tier,
        "path": row.path,
        "used_bytes": row.used,
        "files": row.files,
        "age": format_duration(row.age),
        "older_than_bytes": row.cold,
    })
}

fn filesystem(row: &FilesystemRow) -> Value {
    merged(
        json!({
            "mountpoint": row.mountpoint,
            "device": row.device,
            "fstype": row.fstype,
            "level": word(row.level),
            "read_only": row.read_only,
            "age_seconds": row.fill.is_ok().then(|| row.age.map_or(0.0, |a| a.as_secs_f64())),
            "error": row.fill.as_ref().err(),
        }),
        row.fill.as_ref().ok(),
    )
}

/// Adds the numbers of a fill, or nulls.
fn merged(mut value: Value, fill: Option<&Fill>) -> Value {
    value["size_bytes"] = json!(fill.map(|f| f.size));
    value["used_bytes"] = json!(fill.map(|f| f.used));
    value["avail_bytes"] = json!(fill.map(|f| f.avail));
    value["used_ratio"] = json!(fill.and_then(|f| f.ratio));
    value
}
