//! What the terminal can show: its width, colours, line-drawing characters.

use std::io::IsTerminal;

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// With colours.
    pub color: bool,
    /// With characters beyond ASCII.
    pub unicode: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal that shows them, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Look {
    /// Of standard output. `variable` reads the environment.
    pub fn of_stdout(choice: ColorChoice, variable: impl Fn(&str) -> Option<String>) -> Self {
        let stdout = std::io::stdout();
        let columns = rustix::termios::tcgetwinsize(&stdout)
            .ok()
            .map(|size| usize::from(size.ws_col));
        Self::of(choice, stdout.is_terminal(), columns, variable)
    }

    fn of(
        choice: ColorChoice,
        terminal: bool,
        columns: Option<usize>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|v| !v.is_empty());
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // https://no-color.org
            ColorChoice::Auto => {
                terminal && set("NO_COLOR").is_none() && set("TERM").as_deref() != Some("dumb")
            }
        };
        let width = columns
            .filter(|&c| c > 0)
            .or_else(|| set("COLUMNS")?.parse().ok())
            .unwrap_or(80)
            .clamp(30, 160);
        // The first of these that is set decides (locale(7)).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .unwrap_or_default();
        let locale = locale.to_ascii_lowercase().replace('-', "");
        Self {
            width,
            color,
            unicode: locale.contains("utf8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(
        choice: ColorChoice,
        terminal: bool,
        columns: Option<usize>,
        set: &[(&str, &str)],
    ) -> Look {
        Look::of(choice, terminal, columns, |name| {
            set.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn surroundings_decide() {
        let utf8 = [("LANG", "de_DE.UTF-8"), ("TERM", "xterm")];
        let plain = look(ColorChoice::Auto, false, None, &utf8);
        assert_eq!(
            plain,
            Look {
                width: 80,
                color: false,
                unicode: true
            }
        );
        assert!(look(ColorChoice::Auto, true, Some(120), &utf8).color);
        assert!(
            !look(
                ColorChoice::Auto,
                true,
                None,
                &[("NO_COLOR", "1"), ("TERM", "xterm")]
            )
            .color
        );
        assert!(!look(ColorChoice::Auto, true, None, &[("TERM", "dumb")]).color);
        assert!(look(ColorChoice::Always, false, None, &[("NO_COLOR", "1")]).color);
        assert!(
            !look(
                ColorChoice::Auto,
                true,
                None,
                &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]
            )
            .unicode
        );
        assert_eq!(
            look(ColorChoice::Never, false, None, &[("COLUMNS", "44")]).width,
            44
        );
        assert_eq!(look(ColorChoice::Never, false, Some(5), &[]).width, 30);
    }
}
