//! Parameters of the HTTP API: forms and addresses, times and durations, selectors of series.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_alerts::api::v1::parameter::{Parameters, parse_duration, parse_time};
use tidegauge_alerts::api::v1::selector::parse_all;

fuzz_target!(|text: &str| {
    let (form, query) = text.split_once('\n').unwrap_or((text, ""));
    let parameters = Parameters::new(form.as_bytes(), query);
    for name in ["query", "match[]", "limit"] {
        let first = parameters.all(name).next().unwrap_or("");
        assert_eq!(parameters.get(name), first);
    }
    if let Ok(Some(limit)) = parameters.limit() {
        assert!(limit > 0, "0 is no limit");
    }
    for text in [form, query, parameters.get("time")] {
        if let Some(time) = parse_time(text) {
            // A time is written as seconds with thousandths, and those read as the same time, as far as a
            // float tells them apart.
            let again = parse_time(&format!("{}", time as f64 / 1000.0));
            if time.unsigned_abs() < 1 << 43 {
                assert_eq!(again, Some(time), "{text}");
            }
        }
        if let Err(why) = parse_duration(text) {
            assert!(!why.contains('\n'), "{why}");
        }
    }
    match parse_all(parameters.all("match[]")) {
        Ok(all) => {
            assert_eq!(all.len(), parameters.all("match[]").count());
            // None of them is everything there is.
            assert!(all.iter().flatten().count() >= all.len());
            assert!(all.iter().all(|one| one.iter().any(|m| !m.is_match(""))));
        }
        Err(why) => assert!(!why.is_empty()),
    }
});
