//! Foreign text made harmless: one line, nothing invisible, nothing that the tool acts upon, bounded.

use crate::itsm::Markup;

/// One line of at most `max` characters, "..." included when something was cut. Control characters and every
/// kind of white space become one blank; characters that are invisible or turn the direction of writing are
/// left out. Looks at no more of the text than it needs.
pub(super) fn line(text: &str, max: usize, markup: Markup) -> String {
    let mut out = String::new();
    let mut count = 0_usize;
    let mut gap = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || c.is_control() {
            gap = true;
            continue;
        }
        // One more than allowed shows that something must be cut.
        if count > max {
            break;
        }
        if gap && !out.is_empty() {
            out.push(' ');
            count = count.saturating_add(1);
        }
        gap = false;
        out.push(c);
        count = count.saturating_add(1);
    }
    let out = if count > max {
        let kept: String = out.chars().take(max.saturating_sub(3)).collect();
        format!("{}...", kept.trim_end())
    } else {
        out
    };
    match markup {
        Markup::Plain => out,
        Markup::CodeTags => without_code_tags(&out),
        Markup::Wiki => without_marks(&out, false),
        Markup::Unknown => without_marks(&out, true),
    }
}

/// Without the marks of a wiki: round brackets for the others, no macro, link, mention, image or table. With
/// `all` also without HTML, Markdown and mentions by `@`. As many characters as before.
fn without_marks(text: &str, all: bool) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        let last = chars.peek().is_none_or(|next| *next == ' ');
        out.push(match c {
            '{' | '[' => '(',
            '}' | ']' => ')',
            '|' | '\\' => '/',
            '!' if !last => '.', // what stands between two of them is an image
            '<' if all => '(',
            '>' if all => ')',
            '`' | '*' if all => '\'',
            '@' if all => '\u{ff20}',
            other => other,
        });
    }
    out
}

/// `[code]` and `[/code]` with round brackets. As many characters as before.
fn without_code_tags(text: &str) -> String {
    let lower = text.to_ascii_lowercase(); // as long as the text, byte by byte
    let is_tag = |at: usize| {
        let rest = lower.get(at..).unwrap_or_default();
        rest.starts_with("[code") || rest.starts_with("[/code")
    };
    text.char_indices()
        .map(|(at, c)| if c == '[' && is_tag(at) { '(' } else { c })
        .collect()
}

/// Quotes inside would end the quotation early.
pub(super) fn quoted(line: &str) -> String {
    line.replace('"', "'")
}

/// Characters that are not seen, or that change how others are seen (Unicode categories Cf and the fillers):
/// bidirectional overrides, zero-width joiners, soft hyphens, tags. An alert could hide words with them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// At most `max` bytes, cut behind a word if that keeps more than half, with "..." where something was cut.
pub(super) fn cut_at_word(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let kept = text.get(..end).unwrap_or_default();
    let at_word = text.get(end..).is_some_and(|rest| rest.starts_with(' '));
    let words = match kept.rsplit_once(' ') {
        Some((words, _)) if !at_word && words.len().saturating_mul(2) > max => words,
        Some(_) | None => kept,
    };
    let words = words.trim_end_matches([' ', ',', ';', ':', '-', '(']);
    match max {
        0..=2 => String::new(),
        _ => format!("{words}..."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_becomes_one_harmless_line() {
        let check = |text: &str, max, expected: &str| {
            assert_eq!(line(text, max, Markup::Plain), expected, "{text:?}");
        };
        check("disk full", 200, "disk full");
        check("  a\r\n\tb\u{0}c\u{1b}[31m \u{2028}d ", 200, "a b c [31m d");
        check("safe\u{202e}exe.txt\u{200b}\u{feff}", 200, "safeexe.txt");
        check("\u{e0041}\u{200d}", 200, "");
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc...");
        check("åååååå\n", 6, "åååååå");
        check("ååååååå", 6, "ååå...");
        check("ab cdef gh", 6, "ab...");
        check(&"x".repeat(1 << 20), 5, "xx...");
        check("{{ 7*7 }}", 200, "{{ 7*7 }}");
    }

    #[test]
    fn tags_that_would_be_html_are_broken() {
        let check = |text: &str, expected: &str| {
            assert_eq!(line(text, 200, Markup::CodeTags), expected, "{text:?}");
        };
        check(
            "a [code]<b>x</b>[/code] [I000123]",
            "a (code]<b>x</b>(/code] [I000123]",
        );
        check("å[CoDe]x[/cODE]", "å(CoDe]x(/cODE]");
        check("[co\u{200b}de]x", "(code]x");
        check("[[code]]", "[(code]]");
        check("code [", "code [");
    }

    #[test]
    fn marks_of_a_wiki_and_of_whatever_it_is_are_broken() {
        let check = |markup, text: &str, expected: &str| {
            assert_eq!(line(text, 200, markup), expected, "{text:?}");
        };
        let text = "full! {code}<b>[~anna] !http://x/y.png! |a| @here *b* `c`";
        check(
            Markup::Wiki,
            text,
            "full! (code)<b>(~anna) .http://x/y.png! /a/ @here *b* `c`",
        );
        check(
            Markup::Unknown,
            text,
            "full! (code)(b)(~anna) .http://x/y.png! /a/ \u{ff20}here 'b' 'c'",
        );
    }

    #[test]
    fn lines_are_cut_behind_words() {
        let check = |text: &str, max, expected: &str| {
            assert_eq!(cut_at_word(text, max), expected, "{text:?} {max}");
        };
        check("one two three", 13, "one two three");
        check("one two three", 12, "one two...");
        check("one two, three", 11, "one two...");
        check("one two three", 10, "one two...");
        check("onetwothreefour", 10, "onetwot...");
        check("a onetwothreefour", 10, "a onetw...");
        check("ååååå", 6, "å...");
        check("abc", 2, "");
    }
}
