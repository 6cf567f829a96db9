//! The tree of a regular expression → instructions for the matcher.

use super::syntax::{Assertion, Node, NotUsable, Regexp, Set, parse};

/// How many instructions an expression may have.
const LENGTH: usize = 4000;
/// How many ranges of characters all its instructions together may have.
const RANGES: usize = 16 * LENGTH;

/// One step of the matcher.
#[derive(Debug)]
pub(super) enum Step {
    /// Takes one character of the set.
    Take(Set),
    Check(Assertion),
    /// Goes on at both; what the first leads to is preferred.
    Either(usize, usize),
    Go(usize),
    /// Remembers where a group starts or ends.
    Mark(usize),
    Done,
}

/// A regular expression, ready to be matched.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) steps: Vec<Step>,
    pub(crate) groups: usize,
    pub(super) ignore_case: bool,
    /// What its sets hold together.
    ranges: usize,
}

impl Program {
    /// Understands `text` as a regular expression.
    pub(crate) fn compile(text: &str) -> Result<Self, NotUsable> {
        let Regexp { node, groups, ignore_case } = parse(text)?;
        let mut program = Self { steps: Vec::new(), groups, ignore_case, ranges: 0 };
        program.group(&node, Some(0))?;
        program.push(Step::Done)?;
        Ok(program)
    }

    /// How much one character may cost.
    pub(crate) fn work(&self) -> usize {
        self.steps.len() * (1 + self.groups / 4) + self.ranges / 8
    }

    fn push(&mut self, step: Step) -> Result<usize, NotUsable> {
        if let Step::Take(set) = &step {
            self.ranges += set.size();
        }
        if self.steps.len() == LENGTH || self.ranges > RANGES {
            return Err(NotUsable::NotRunYet("so many parts"));
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn group(&mut self, node: &Node, number: Option<usize>) -> Result<(), NotUsable> {
        let Some(number) = number else { return self.node(node) };
        self.push(Step::Mark(2 * number))?;
        self.node(node)?;
        self.push(Step::Mark(2 * number + 1))?;
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<(), NotUsable> {
        match node {
            Node::Set(set) => {
                self.push(Step::Take(set.clone()))?;
            }
            Node::Assertion(assertion) => {
                self.push(Step::Check(*assertion))?;
            }
            Node::Group(inner, number) => self.group(inner, *number)?,
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node))?,
            Node::Alternatives(nodes) => self.alternatives(nodes)?,
            Node::Repeat { node, least, most, greedy } => {
                for _ in 0..*least {
                    let before = self.steps.len();
                    self.node(node)?;
                    // What takes no step takes none the next time: `(?:(?:){1000}){1000}` …
                    if self.steps.len() == before {
                        break;
                    }
                }
                match most {
                    None => self.endless(node, *greedy)?,
                    Some(most) => self.optional(node, most - least, *greedy)?,
                }
            }
        }
        Ok(())
    }

    fn alternatives(&mut self, nodes: &[Node]) -> Result<(), NotUsable> {
        let mut ends = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if index + 1 == nodes.len() {
                self.node(node)?;
                continue;
            }
            let either = self.push(Step::Either(0, 0))?;
            self.node(node)?;
            ends.push(self.push(Step::Go(0))?);
            self.steps[either] = Step::Either(either + 1, self.steps.len());
        }
        for end in ends {
            self.steps[end] = Step::Go(self.steps.len());
        }
        Ok(())
    }

    /// Goes in at `inside` or past it at `outside`, whichever is preferred.
    fn either(inside: usize, outside: usize, greedy: bool) -> Step {
        if greedy { Step::Either(inside, outside) } else { Step::Either(outside, inside) }
    }

    fn endless(&mut self, node: &Node, greedy: bool) -> Result<(), NotUsable> {
        let start = self.push(Step::Either(0, 0))?;
        self.node(node)?;
        self.push(Step::Go(start))?;
        self.steps[start] = Self::either(start + 1, self.steps.len(), greedy);
        Ok(())
    }

    fn optional(&mut self, node: &Node, times: u32, greedy: bool) -> Result<(), NotUsable> {
        let mut starts = Vec::new();
        for _ in 0..times {
            starts.push(self.push(Step::Either(0, 0))?);
            self.node(node)?;
        }
        for start in starts {
            self.steps[start] = Self::either(start + 1, self.steps.len(), greedy);
        }
        Ok(())
    }
}
