//! Runs a program over a text: all ways at once, one character at a time, the preferred way first.

use super::program::{Program, Step};
use super::syntax::Assertion;

/// Where a match and its groups lie.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    marks: Vec<Option<usize>>,
    /// How far the text was looked at before this was certain.
    pub(crate) looked_at: usize,
}

impl Found {
    /// From where to where the group `number` goes; 0 is the whole match.
    pub(crate) fn group(&self, number: usize) -> Option<(usize, usize)> {
        let mark = |index: usize| self.marks.get(index).copied().flatten();
        Some((mark(2 * number)?, mark(2 * number + 1)?))
    }
}

/// One way through the program, waiting for a character.
struct Way {
    step: usize,
    marks: Vec<Option<usize>>,
}

/// The ways that are alive before one character.
struct Ways {
    ways: Vec<Way>,
    /// For each step, at which character it was last reached.
    reached: Vec<usize>,
}

/// The first match in `text` that starts at byte `from` or behind it.
pub(crate) fn find(program: &Program, text: &str, from: usize) -> Option<Found> {
    let none = vec![None; 2 * (program.groups + 1)];
    let new = || Ways { ways: Vec::new(), reached: vec![usize::MAX; program.steps.len()] };
    let (mut current, mut next) = (new(), new());
    let mut best: Option<Found> = None;
    let mut at = from;
    loop {
        if best.is_none() {
            current.enter(program, text, at, Way { step: 0, marks: none.clone() });
        }
        let character = text[at..].chars().next();
        next.ways.clear();
        let behind = at + character.map_or(1, char::len_utf8);
        for way in current.ways.drain(..) {
            match &program.steps[way.step] {
                Step::Done => {
                    // The ways behind this one are less preferred.
                    best = Some(Found { marks: way.marks, looked_at: behind });
                    break;
                }
                Step::Take(set) if character.is_some_and(|it| set.has(it, program.ignore_case)) => {
                    let way = Way { step: way.step + 1, marks: way.marks };
                    next.enter(program, text, behind, way);
                }
                _ => {}
            }
        }
        std::mem::swap(&mut current, &mut next);
        if character.is_none() || (best.is_some() && current.ways.is_empty()) {
            return best.map(|best| Found { looked_at: behind, ..best });
        }
        at = behind;
    }
}

/// Whether `program` takes `text` from end to end. No group is remembered, so nothing is copied.
pub(super) fn fits(program: &Program, text: &str) -> bool {
    let mut reached = vec![usize::MAX; program.steps.len()];
    let (mut ways, mut next, mut tasks) = (Vec::new(), Vec::new(), vec![0]);
    let mut follow = |tasks: &mut Vec<usize>, ways: &mut Vec<usize>, at: usize| {
        while let Some(step) = tasks.pop() {
            if std::mem::replace(&mut reached[step], at) == at {
                continue;
            }
            match &program.steps[step] {
                Step::Take(_) | Step::Done => ways.push(step),
                Step::Go(to) => tasks.push(*to),
                Step::Either(first, second) => tasks.extend([*second, *first]),
                Step::Mark(_) => tasks.push(step + 1),
                Step::Check(assertion) if holds(*assertion, text, at) => tasks.push(step + 1),
                Step::Check(_) => {}
            }
        }
    };
    follow(&mut tasks, &mut ways, 0);
    for (at, character) in text.char_indices() {
        for step in ways.drain(..) {
            if let Step::Take(set) = &program.steps[step]
                && set.has(character, program.ignore_case)
            {
                tasks.push(step + 1);
                follow(&mut tasks, &mut next, at + character.len_utf8());
            }
        }
        std::mem::swap(&mut ways, &mut next);
        if ways.is_empty() {
            return false;
        }
    }
    ways.iter().any(|step| matches!(program.steps[*step], Step::Done))
}

/// What is left to do while entering steps that take no character.
enum Task {
    Enter(usize),
    Restore(usize, Option<usize>),
}

impl Ways {
    /// Follows a way to every step that takes a character, in order of preference.
    fn enter(&mut self, program: &Program, text: &str, at: usize, way: Way) {
        let mut marks = way.marks;
        let mut tasks = vec![Task::Enter(way.step)];
        while let Some(task) = tasks.pop() {
            let step = match task {
                Task::Enter(step) => step,
                Task::Restore(mark, value) => {
                    marks[mark] = value;
                    continue;
                }
            };
            if std::mem::replace(&mut self.reached[step], at) == at {
                continue;
            }
            match &program.steps[step] {
                Step::Take(_) | Step::Done => self.ways.push(Way { step, marks: marks.clone() }),
                Step::Go(to) => tasks.push(Task::Enter(*to)),
                Step::Either(first, second) => {
                    tasks.push(Task::Enter(*second));
                    tasks.push(Task::Enter(*first));
                }
                Step::Mark(mark) => {
                    tasks.push(Task::Restore(*mark, marks[*mark]));
                    tasks.push(Task::Enter(step + 1));
                    marks[*mark] = Some(at);
                }
                Step::Check(assertion) => {
                    if holds(*assertion, text, at) {
                        tasks.push(Task::Enter(step + 1));
                    }
                }
            }
        }
    }
}

fn holds(assertion: Assertion, text: &str, at: usize) -> bool {
    let (before, after) = (text[..at].chars().next_back(), text[at..].chars().next());
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| character.is_alphanumeric() || character == '_')
    };
    match assertion {
        Assertion::Start => before.is_none(),
        Assertion::LineStart => matches!(before, None | Some('\n')) && after.is_some(),
        Assertion::End => after.is_none(),
        Assertion::EndOrLastBreak => matches!(&text[at..], "" | "\n" | "\r\n" | "\r"),
        Assertion::LineEnd => matches!(after, None | Some('\n')),
        Assertion::WordBoundary => is_word(before) != is_word(after),
        Assertion::NoWordBoundary => is_word(before) == is_word(after),
    }
}
