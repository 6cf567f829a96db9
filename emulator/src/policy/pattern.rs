//! Policy text with wildcards and variables, taken apart once and matched often.
//!
//! It decides how `*`, `?` and `${…}` match. What a variable stands for comes from the
//! [`Context`]; where wildcards count is for whoever compiles the pattern to say.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html> and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>.

use super::context::Context;
use super::variable::Variable;

/// Text of a policy, compiled.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    meaning: Meaning,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `*`: any run of characters.
    Any,
    /// `?`: one character.
    One,
    Variable(Slot),
}

/// The place of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    variable: Variable,
    /// What stands there if the variable has no value: `${name, 'default'}`.
    default: Option<Box<str>>,
}

/// What the characters of a pattern mean, apart from themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// `${…}` is a variable.
    pub(super) variables: bool,
}

/// What stands at the head of the rest of a pattern.
enum Head<'a> {
    Segment(Segment),
    Literal(&'a str),
}

impl Pattern {
    /// Takes `text` apart.
    pub(super) fn compile(text: &str, meaning: Meaning) -> Self {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((head, length)) = head(rest, meaning) {
            rest = rest.get(length..).unwrap_or_default();
            match head {
                Head::Literal(text) => literal.push_str(text),
                Head::Segment(Segment::Any) if literal.is_empty() => {
                    if segments.last() != Some(&Segment::Any) {
                        segments.push(Segment::Any);
                    }
                }
                Head::Segment(segment) => {
                    if !literal.is_empty() {
                        segments.push(Segment::Literal(std::mem::take(&mut literal).into()));
                    }
                    segments.push(segment);
                }
            }
        }
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal.into()));
        }
        Self { text: text.into(), meaning, segments: segments.into() }
    }

    /// The name of an action: it has wildcards and minds no case, so that it matches lower case.
    pub(super) fn action(name: &str) -> Self {
        let meaning = Meaning { wildcards: true, variables: false };
        Self { text: name.into(), ..Self::compile(&name.to_ascii_lowercase(), meaning) }
    }

    /// The pattern as the policy has it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable(slot) => Some(slot),
            _ => None,
        })
    }

    /// The variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.slots().map(|slot| &slot.variable)
    }

    /// Whether it has a `${` that is plain text, as its document is of the older version.
    pub(super) fn has_plain_variables(&self) -> bool {
        !self.meaning.variables && self.text.contains("${")
    }

    /// The variables in it that nothing stands for.
    pub(super) fn unresolved(&self, context: &Context) -> impl Iterator<Item = &Variable> {
        self.slots().filter(|slot| slot.text(context).is_none()).map(|slot| &slot.variable)
    }

    /// Of an ARN with its five colons and no other, the plain text behind the fifth, and the plain
    /// text at the end.
    pub(super) fn anchors(&self) -> Option<(&str, &str)> {
        let literals = self.segments.iter().map(Segment::literal);
        let colons = |text: &str| text.bytes().filter(|byte| *byte == b':').count();
        if literals.clone().map(colons).sum::<usize>() != 5 {
            return None;
        }
        let (_before, behind) = literals.rev().find_map(|text| text.rsplit_once(':'))?;
        let end = self.segments.last().map_or("", Segment::literal);
        Some((behind, end))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
    //# `*` stands for any characters, `/` among them, and `?` for one; `+` and `#` for themselves
    /// Whether all of `text` matches.
    ///
    /// What stands behind the last `*` is compared first, as it tells most patterns of a policy
    /// apart. Between two `*` the first match is taken, as a later one leaves less: so no pattern
    /// costs more than the product of the lengths.
    pub(super) fn matches(&self, text: &str, context: &Context) -> bool {
        let is_any = |segment: &Segment| *segment == Segment::Any;
        let Some(last) = self.segments.iter().rposition(is_any) else {
            return strip_end(&self.segments, text, context) == Some("");
        };
        let (before, end) = self.segments.split_at(last);
        let Some(mut rest) = strip_end(end.get(1..).unwrap_or_default(), text, context) else {
            return false;
        };
        let mut between = before.split(is_any);
        let front = between.next().unwrap_or_default();
        let Some(behind_front) = strip(front, rest, context) else { return false };
        rest = behind_front;
        between.all(|wanted| match behind_first(wanted, rest, context) {
            Some(left) => {
                rest = left;
                true
            }
            None => false,
        })
    }

    /// The same for a pattern without wildcards, whatever the case of letters.
    pub(super) fn matches_ignoring_case(&self, text: &str, context: &Context) -> bool {
        let wanted = self.segments.iter().filter_map(|segment| segment.text(context));
        self.unresolved(context).next().is_none() && wanted.flat_map(lower).eq(lower(text))
    }

    /// The text with every variable replaced that has a value; the others stay as they are, and so
    /// does what only looks like a wildcard.
    pub(super) fn substituted(&self, context: &Context) -> String {
        let mut text = String::with_capacity(self.text.len());
        let push = |text: &mut String, literal: &str| match self.meaning.wildcards {
            true => text.push_str(&literal.replace('*', "${*}").replace('?', "${?}")),
            false => text.push_str(literal),
        };
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => push(&mut text, literal),
                Segment::Any => text.push('*'),
                Segment::One => text.push('?'),
                Segment::Variable(slot) => match slot.text(context) {
                    Some(value) => push(&mut text, value),
                    None => {
                        text.push_str("${");
                        text.push_str(slot.variable.written());
                        text.push('}');
                    }
                },
            }
        }
        text
    }

    /// The pattern as it would be if a `*` stood for every variable that has no value.
    pub(super) fn forgiving(&self, context: &Context) -> Self {
        let forgive = |segment: &Segment| match segment {
            Segment::Variable(slot) if slot.text(context).is_none() => Segment::Any,
            segment => segment.clone(),
        };
        let segments = self.segments.iter().map(forgive).collect();
        Self { text: self.text.clone(), meaning: self.meaning, segments }
    }
}

impl Slot {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    //# a default value stands in single quotes, behind a comma and a space
    //? assumed: AWS IoT has defaults as IAM has, plain text each; the space may be missing
    fn of(inner: &str) -> Self {
        let quoted = inner.split_once(',').and_then(|(name, rest)| {
            let default = rest.trim_start_matches(' ').strip_prefix('\'')?.strip_suffix('\'')?;
            Some(Self { variable: Variable::new(name), default: Some(default.into()) })
        });
        quoted.unwrap_or_else(|| Self { variable: Variable::new(inner), default: None })
    }

    fn text<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        context.text(&self.variable).or(self.default.as_deref())
    }
}

impl Segment {
    //? assumed: wildcards in a substituted value match only themselves
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    //# a variable without a value is like nothing, and a resource that names one matches none
    /// The characters that it stands for; `None` for a wildcard and for what has no value.
    fn text<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Variable(slot) => slot.text(context),
            Self::Any | Self::One => None,
        }
    }

    fn literal(&self) -> &str {
        if let Self::Literal(literal) = self { literal } else { "" }
    }
}

/// What is left of `text` behind `segments`, none of them a `*`; `None` if it does not begin with
/// them.
fn strip<'t>(segments: &[Segment], text: &'t str, context: &Context) -> Option<&'t str> {
    segments.iter().try_fold(text, |rest, segment| match segment {
        Segment::One => {
            let mut characters = rest.chars();
            characters.next().map(|_one| characters.as_str())
        }
        segment => rest.strip_prefix(segment.text(context)?),
    })
}

/// What is left of `text` before `segments`, none of them a `*`; `None` if it does not end with
/// them.
fn strip_end<'t>(segments: &[Segment], text: &'t str, context: &Context) -> Option<&'t str> {
    segments.iter().rev().try_fold(text, |rest, segment| match segment {
        Segment::One => {
            let mut characters = rest.chars();
            characters.next_back().map(|_one| characters.as_str())
        }
        segment => rest.strip_suffix(segment.text(context)?),
    })
}

/// What is left of `text` behind the first place where `segments` match.
fn behind_first<'t>(segments: &[Segment], text: &'t str, context: &Context) -> Option<&'t str> {
    let begins = segments.first().and_then(|segment| segment.literal().chars().next());
    let mut rest = text;
    loop {
        if let Some(begins) = begins {
            rest = rest.get(rest.find(begins)?..)?;
        }
        if let Some(left) = strip(segments, rest, context) {
            return Some(left);
        }
        let mut characters = rest.chars();
        characters.next()?;
        rest = characters.as_str();
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
//# `$(*)`, `$(?)` and `$($)` stand for the characters themselves; IAM writes `${*}`
/// The first piece of `text` and how many bytes of it that takes.
fn head(text: &str, meaning: Meaning) -> Option<(Head<'_>, usize)> {
    let first = text.chars().next()?;
    let literal = |length: usize| (Head::Literal(text.get(..length).unwrap_or_default()), length);
    if meaning.variables && first == '$' {
        let inner = text.get(1..).unwrap_or_default();
        for (open, close) in [('{', '}'), ('(', ')')] {
            let Some(inner) = inner.strip_prefix(open) else { continue };
            let Some(name) = end_of(inner, close).and_then(|end| inner.get(..end)) else {
                continue;
            };
            let length = name.len() + "${}".len();
            if matches!(name, "*" | "?" | "$") {
                return Some((Head::Literal(name), length));
            }
            if open == '{' && !name.is_empty() {
                return Some((Head::Segment(Segment::Variable(Slot::of(name))), length));
            }
        }
    }
    Some(match first {
        '*' if meaning.wildcards => (Head::Segment(Segment::Any), 1),
        '?' if meaning.wildcards => (Head::Segment(Segment::One), 1),
        _ => literal(first.len_utf8()),
    })
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Where `close` stands that is not part of a quoted default.
pub(super) fn end_of(inner: &str, close: char) -> Option<usize> {
    let end = inner.find(close)?;
    match inner.find('\'').filter(|quote| *quote < end) {
        Some(quote) => {
            let closing = format!("'{close}");
            let behind = inner.get(quote + 1..)?;
            behind.find(&closing).map(|at| quote + 1 + at + 1).or(Some(end))
        }
        None => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Meaning = Meaning { wildcards: true, variables: true };

    fn context() -> Context {
        let mut context = Context::new();
        context.set_client_id(&"c1".into());
        context.set_domain_name(Some("*".into()));
        context
    }

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern, ALL).matches(text, &context())
    }

    #[test]
    fn pol_20_a_star_crosses_slashes_and_a_question_mark_is_one_character() {
        let table = [
            ("*", "", true),
            ("*", "a/b", true),
            ("a/*", "a/", true),
            ("a/*", "a", false),
            ("a/*/c", "a/b/b/c", true),
            ("a/*/c", "a/c", false),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("a??", "a/b", true),
            ("?*", "", false),
            ("**a", "bba", true),
            ("a+#", "a+#", true),
            ("a/+", "a/b", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "aab", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn pol_47_a_substituted_wildcard_matches_only_itself() {
        let table = [
            ("x/${iot:ClientId}/y", "x/c1/y", true),
            ("x/${iot:ClientId}/y", "x/c2/y", false),
            ("${iot:DomainName}", "*", true),
            ("${iot:DomainName}", "a", false),
            ("*${IOT:CLIENTID}*", "-c1-", true),
            ("${*}", "*", true),
            ("${*}", "a", false),
            ("$(*)b$(?)c$($)", "*b?c$", true),
            ("$(a)", "$(a)", true),
            ("${unknown}", "${unknown}", false),
            ("${}", "${}", true),
            ("${open", "${open", true),
            ("$*", "$a", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn a_default_stands_for_a_variable_without_a_value() {
        let table = [
            ("x/${iot:ClientId, 'nobody'}", "x/c1", true),
            ("x/${iot:ClientId, 'nobody'}", "x/nobody", false),
            ("x/${aws:SourceIp, 'no:where'}/y", "x/no:where/y", true),
            ("x/${aws:SourceIp,'*'}", "x/*", true),
            ("x/${aws:SourceIp,'*'}", "x/a", false),
            ("x/${aws:SourceIp, '}'}/y", "x/}/y", true),
            ("x/${aws:SourceIp, ''}/y", "x//y", true),
            ("x/${aws:SourceIp, open}", "x/open", false),
            ("x/${aws:SourceIp, 'open}", "x/open", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
        let pattern = Pattern::compile("${aws:SourceIp, 'a'}/${aws:CurrentTime}", ALL);
        let context = context();
        let unresolved = pattern.unresolved(&context).map(Variable::written);
        assert_eq!(unresolved.collect::<Vec<_>>(), ["aws:CurrentTime"]);
    }

    #[test]
    fn a_hostile_pattern_is_answered_soon() {
        let pattern = Pattern::compile(&format!("{}b", "*a".repeat(1000)), ALL);
        assert!(!pattern.matches(&"a".repeat(2000), &Context::new()));
    }

    #[test]
    fn what_has_no_value_stays_as_it_is_written() {
        let pattern = Pattern::compile("a/${iot:ClientId}/${No.Such}/*", ALL);
        assert_eq!(pattern.substituted(&context()), "a/c1/${No.Such}/*");
        assert!(!pattern.matches_ignoring_case("a/c1/${No.Such}/*", &context()));
    }

    #[test]
    fn what_only_looks_like_a_wildcard_is_spelt_so_that_it_is_none() {
        let table = [
            (ALL, "a/${*}/$(?)/*/?", "a/${*}/${?}/*/?"),
            (ALL, "${iot:DomainName}", "${*}"),
            (Meaning { wildcards: false, ..ALL }, "*/${iot:DomainName}", "*/*"),
            (Meaning { variables: false, ..ALL }, "${*}", "${*}"),
        ];
        for (meaning, text, spelt) in table {
            let pattern = Pattern::compile(text, meaning);
            assert_eq!(pattern.substituted(&context()), spelt, "{text}");
        }
    }

    /// The obvious matcher: right, but exponential.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', left)), rest) => {
                naive(left, text) || rest.is_some_and(|(_, text)| naive(pattern, text))
            }
            (Some((_, _)), None) => false,
            (Some((wanted, left)), Some((found, text))) => {
                (*wanted == '?' || wanted == found) && naive(left, text)
            }
        }
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_the_obvious_one(
            pattern in "[ab*?é]{0,8}", text in "[abé]{0,8}",
        ) {
            let (wanted, found): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), naive(&wanted, &found));
        }

        #[test]
        fn any_text_compiles_and_matches_or_not(pattern in any::<String>(), text in any::<String>()) {
            let _either = matches(&pattern, &text);
        }

        #[test]
        fn a_pattern_without_special_characters_matches_itself(text in "[^*?$]{0,40}") {
            prop_assert!(matches(&text, &text));
        }

        #[test]
        fn hostile_mixtures_do_not_panic(pattern in "[*?${}()a]{0,30}", text in "[*?${}()a]{0,30}") {
            let _either = matches(&pattern, &text);
        }
    }
}
