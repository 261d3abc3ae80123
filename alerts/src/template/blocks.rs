//! Whether the blocks of a template are closed, which gotmpl does not ask: it takes the end of the text for a
//! missing `{{end}}`, and leaves away what follows one too many.

/// Checks that each block has its end and each `else` its block.
///
/// # Errors
/// In Go's words, what is missing or too much.
pub fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<Block> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let inside = &rest[at + 2..];
        let trimmed = inside.strip_prefix("- ").unwrap_or(inside).trim_start();
        if trimmed.starts_with("/*") {
            let Some(end) = trimmed.find("*/") else {
                return Err("unclosed comment".to_owned());
            };
            rest = &trimmed[end + 2..];
            continue;
        }
        let length = action(inside).ok_or("unclosed action")?;
        word(trimmed, &mut open)?;
        rest = &inside[length..];
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err("unexpected EOF: a block has no {{end}}".to_owned()),
    }
}

struct Block {
    is_range: bool,
    may_have_else: bool,
}

fn word(action: &str, open: &mut Vec<Block>) -> Result<(), String> {
    let mut words = action.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    match words.next().unwrap_or_default() {
        keyword @ ("if" | "with" | "range" | "define" | "block") => open.push(Block {
            is_range: keyword == "range",
            may_have_else: !matches!(keyword, "define" | "block"),
        }),
        "end" => {
            open.pop().ok_or("unexpected {{end}}")?;
        }
        "else" => {
            let block = open.last_mut().filter(|block| block.may_have_else);
            let block = block.ok_or("unexpected {{else}}")?;
            block.may_have_else = matches!(words.next(), Some("if" | "with"));
        }
        keyword @ ("break" | "continue") if !open.iter().any(|block| block.is_range) => {
            return Err(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
        }
        _ => {}
    }
    Ok(())
}

/// The length of an action with its `}}`, which may also be within a text.
fn action(inside: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            None if inside[at..].starts_with("}}") => return Some(at + 2),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        for text in [
            "",
            "{{ if a }}{{ else if b }}{{ else }}{{ end }}",
            "{{- range a -}}{{ break }}{{ else }}{{ end -}}",
            "{{/* {{ if */}}{{ \"}}{{ if a }}\" }}{{ `{{` }}",
            "{{ define \"a\" }}{{ with b }}{{end}}{{end}}",
            "{{- /* c */ -}}{{ ending }}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, said) in [
            ("{{ if a }}", "unexpected EOF"),
            ("a{{ end }}b", "unexpected {{end}}"),
            ("{{ if a }}{{ end }}{{ end }}", "unexpected {{end}}"),
            ("{{ else }}", "unexpected {{else}}"),
            (
                "{{ if a }}{{ else }}{{ else }}{{ end }}",
                "unexpected {{else}}",
            ),
            (
                "{{ define \"a\" }}{{ else }}{{ end }}",
                "unexpected {{else}}",
            ),
            ("{{ if a }}{{ break }}{{ end }}", "outside {{range}}"),
            ("{{ a", "unclosed action"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
