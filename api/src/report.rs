//! Diagnostics for people: one line each, the source line below it, a caret under what is meant, and what helps.

use anstyle::{AnsiColor, Style};
use engine::classic::{Effect, Note};
use engine::diagnostic::{Diagnostic, Place, Severity};
use engine::ruleset::Origin;
use engine::simulate::trace::{self, Step, Trace};
use engine::span::{Sources, Span};

/// Words that stand out.
pub const BOLD: Style = Style::new().bold();
/// What helps, and what is only said by the way.
pub const QUIET: Style = AnsiColor::Cyan.on_default();
/// What is good.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is bad.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What deserves a look.
pub const NOTABLE: Style = AnsiColor::Yellow.on_default().bold();

/// The most of a source line that is shown, in characters.
const WIDTH_MAX: usize = 160;

/// How a severity looks.
pub fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Info => QUIET,
        Severity::Warning => NOTABLE,
        Severity::Error => BAD,
    }
}

/// All diagnostics, and a line that counts them.
pub fn diagnostics(all: &[Diagnostic], sources: &Sources) -> String {
    let mut text = String::new();
    for diagnostic in all {
        one(&mut text, diagnostic, sources);
    }
    text
}

/// `2 errors, 1 warning, no remarks`
pub fn summary(all: &[Diagnostic]) -> String {
    let count = |severity| all.iter().filter(|d| d.code.severity() == severity).count();
    [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "remark")]
        .map(|(severity, word)| counted(count(severity), word))
        .join(", ")
}

/// `no rules`, `1 rule`, `2 rules`
pub fn counted(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

fn one(text: &mut String, diagnostic: &Diagnostic, sources: &Sources) {
    let severity = diagnostic.code.severity();
    let style = style_of(severity);
    let head = format!("{}[{}]", severity.as_str(), diagnostic.code.id());
    let line = diagnostic.line(sources);
    let (place, message) = line.split_once(&head).unwrap_or(("", line.as_str()));
    text.push_str(&format!("{BOLD}{place}{BOLD:#}{style}{head}{style:#}{message}\n"));
    if let Place::Span(span) = diagnostic.place {
        text.push_str(&excerpt(span, sources, style));
    }
    if let Some(remedy) = &diagnostic.remedy {
        text.push_str(&format!("    {QUIET}help{QUIET:#}: {remedy}\n"));
    }
}

/// What differs from the classic firewall: a line each, the source line below it.
pub fn notes(all: &[Note], sources: &Sources) -> String {
    let mut text = String::new();
    for note in all {
        let (place, line) = match note.place {
            Place::Span(span) => {
                let position = sources.position(span);
                let line = printable(sources.line_text(span).trim());
                (format!("{}:{}: ", position.path, position.line), format!("    {line}\n"))
            }
            Place::File(file) => (format!("{}: ", sources.path(file)), String::new()),
            Place::Host => (String::new(), String::new()),
        };
        let style = match note.effect {
            Effect::PassesMore => BAD,
            Effect::PassesLess => NOTABLE,
            Effect::Other => QUIET,
        };
        let (effect, id) = (note.effect.as_str(), note.id);
        text.push_str(&format!("{BOLD}{place}{BOLD:#}{style}{effect}[{id}]{style:#}: "));
        text.push_str(&format!("the classic firewall {}; here: {}\n{line}", note.classic, note.ours));
    }
    let count = |effect| all.iter().filter(|note| note.effect == effect).count();
    let (more, less, other) = (count(Effect::PassesMore), count(Effect::PassesLess), count(Effect::Other));
    text.push_str(&format!(
        "against the classic firewall: {}; {more} pass more, {less} pass less, {other} neither\n",
        counted(all.len(), "difference")
    ));
    text
}

/// The line of a span, and carets below it.
fn excerpt(span: Span, sources: &Sources, style: Style) -> String {
    let bytes = sources.text(span.file);
    let start = (span.start as usize).min(bytes.len());
    let line_start = bytes[..start].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let n_chars = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().count();
    let first = n_chars(&bytes[line_start..start]);
    let all: Vec<char> = printable(&sources.line_text(span)).chars().collect();
    let n_meant = n_chars(&bytes[start..(span.end as usize).clamp(start, bytes.len())]).max(1);
    let last = (first + n_meant).min(all.len()).max(first + 1);

    let skipped = if last > WIDTH_MAX { first.saturating_sub(WIDTH_MAX / 2) } else { 0 };
    let shown: String = all.iter().skip(skipped).take(WIDTH_MAX).collect();
    let shown_end = skipped + shown.chars().count();
    let lead = if skipped > 0 { "…" } else { "" };
    let trail = if shown_end < all.len() { "…" } else { "" };
    let indent: String = all[skipped.min(all.len())..first.min(all.len())]
        .iter()
        .map(|c| if *c == '\t' { '\t' } else { ' ' })
        .collect();
    let carets = "^".repeat(last.min(shown_end.max(first + 1)) - first);
    let shift = " ".repeat(lead.chars().count());
    format!("    {lead}{shown}{trail}\n    {shift}{indent}{style}{carets}{style:#}\n")
}

/// Control characters, but for tabs, become U+FFFD: a file cannot write to the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Where something comes from, in words: `/etc/pve/firewall/100.fw:12`, `option policy_in, default`, `built in: …`.
pub fn origin(origin: Origin, sources: &Sources) -> String {
    origin.text(sources)
}

/// Why the deciding rule was met: its own origin, or, where that is one for all (ours, or an option's default in a
/// shared chain), its caller's, and so on. A policy is its own reason.
pub fn cause(trace: &Trace<'_>) -> Option<Origin> {
    let deciding = trace.deciding.as_ref()?;
    let (mut origin, mut chain) = (deciding.origin(), &deciding.chain.name);
    let rules = trace.steps.iter().rev().filter_map(|step| match step {
        Step::Rule(rule) => Some(rule),
        Step::Hook { .. } | Step::Chain { .. } | Step::Policy | Step::Answer { .. } => None,
    });
    for rule in rules {
        match origin {
            Origin::Skeleton(_) => {}
            Origin::Option { name, at: None } if !name.starts_with("policy") => {}
            Origin::Line(_) | Origin::Option { .. } => break,
        }
        let is_caller = match &rule.outcome {
            trace::Outcome::Jumped(called) | trace::Outcome::WentTo(called) => called.name == *chain,
            _ => false,
        };
        if is_caller {
            (origin, chain) = (rule.place.origin(), &rule.place.chain.name);
        }
    }
    Some(origin)
}

#[cfg(test)]
mod tests {
    use super::{diagnostics, summary};
    use engine::diagnostic::{Code, Diagnostic, Place};
    use engine::span::{Sources, Span};

    fn shown(line: &str, start: u32, end: u32) -> String {
        let mut sources = Sources::default();
        let file =
            sources.add("/etc/pve/firewall/100.fw", format!("first\n{line}\nlast\n").as_bytes().into());
        let span = Span { file, start: 6 + start, end: 6 + end };
        let diagnostic =
            Diagnostic::new(Code::AliasUnresolved, Place::Span(span), "no alias `x`", "rule is skipped");
        let text = diagnostics(&[diagnostic.help("define it")], &sources);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn points_at_the_word() {
        let expected = "/etc/pve/firewall/100.fw:2:11: error[R025]: no alias `x`; rule is skipped\n    \
            \tIN DROP -source x\n    \t         ^^^^^^^\n    help: define it\n";
        assert_eq!(shown("\tIN DROP -source x", 10, 17), expected);
    }

    #[test]
    fn long_lines_are_cut_around_the_word() {
        let line = format!("{}word{}", "a ".repeat(400), " b".repeat(400));
        let text = shown(&line, 800, 804);
        assert!(text.lines().nth(1).is_some_and(|l| l.contains("…") && l.contains("word") && l.len() < 200));
        let column = |text: &str, needle: &str| {
            text.chars().collect::<String>().find(needle).map(|at| text[..at].chars().count())
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(column(lines[1], "word"), column(lines[2], "^^^^"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!shown("IN \u{1b}[2J DROP", 0, 2).contains('\u{1b}'));
    }

    #[test]
    fn counts() {
        assert_eq!(summary(&[]), "no errors, no warnings, no remarks");
    }
}
