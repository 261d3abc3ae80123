//! The page at `/`: what this is and where things are.

use super::CollectorInfo;

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8884;--accent:#0b7285}
@media(prefers-color-scheme:dark){:root{--accent:#66d9e8}}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:2rem 1rem}
h1{margin:0}a{color:var(--accent)}p.sub{margin-top:0;opacity:.75}
nav a{display:inline-block;padding:.4rem .9rem;margin:0 .4rem .4rem 0;border:1px solid var(--line);border-radius:.4rem;text-decoration:none}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}";

/// The page, whole.
pub fn page(version: &str, telemetry_path: &str, collectors: &[CollectorInfo]) -> String {
    let path = escape(telemetry_path);
    let rows: String = collectors
        .iter()
        .map(|c| {
            format!(
                "<tr><td><a href=\"{path}?collect[]={name}\">{name}</a></td><td>{help}</td></tr>",
                name = escape(c.name),
                help = escape(c.help)
            )
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>tidegauge</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main><h1>tidegauge</h1><p class=\"sub\">Prometheus exporter for tiered storage, version {version}</p>\
         <nav aria-label=\"Endpoints\"><a href=\"{path}\">Metrics</a><a href=\"/-/healthy\">Health</a><a href=\"/-/ready\">Readiness</a></nav>\
         <h2>Collectors</h2><table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Reads</th></tr></thead>\
         <tbody>{rows}</tbody></table></main></body></html>\n",
        version = escape(version),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
