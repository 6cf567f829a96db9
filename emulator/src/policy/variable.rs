//! The name of a policy variable, as it stands in `${…}` or as the key of a condition.
//!
//! It decides which of several values a name asks for. The values are the [`Context`]'s.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html>.
//!
//! [`Context`]: super::context::Context

/// A policy variable, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    written: Box<str>,
    name: Box<str>,
    digest: u64,
    which: Which,
}

/// Which of its values a variable asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The only one, or the first.
    First,
    /// `.N`: one of them, counting from 0.
    Nth(usize),
    /// `.List`: all of them.
    List,
}

impl Variable {
    /// Takes `written` apart: `iot:Certificate.Subject.CommonName.1`.
    pub(super) fn new(written: &str) -> Self {
        let name = folded(written);
        let (name, which) =
            if is_attribute(&name) { suffix(&name) } else { (&*name, Which::First) };
        Self { written: written.into(), name: name.into(), digest: digest(name), which }
    }

    /// As the policy has it.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Folded as [`folded`] does, without `.N` or `.List`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The [`digest`] of the name.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// Which value it asks for.
    pub(super) fn which(&self) -> Which {
        self.which
    }
}

//? assumed: the names of variables and condition keys do not mind their case, as in IAM
//? assumed: the attribute's name in `Attributes[name]` does mind
/// The form in which names are compared.
pub(super) fn folded(name: &str) -> String {
    let end = name.find('[').unwrap_or(name.len());
    let (outside, bracketed) = name.split_at(end);
    format!("{}{bracketed}", outside.to_ascii_lowercase())
}

/// A number by which a folded name is found quickly (FNV-1a); two names may share one.
pub(super) fn digest(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether the folded `name` is that of a certificate attribute, which may have several values.
pub(super) fn is_attribute(name: &str) -> bool {
    name.starts_with("iot:certificate.subject.") || name.starts_with("iot:certificate.issuer.")
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# the bare name is the first value, `.1` the second one, and `.List` stands for all of them
fn suffix(name: &str) -> (&str, Which) {
    let Some((base, last)) = name.rsplit_once('.') else { return (name, Which::First) };
    if last == "list" {
        return (base, Which::List);
    }
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large for a `usize` is beyond every list of values, too.
    if digits {
        (base, Which::Nth(last.parse().unwrap_or(usize::MAX)))
    } else {
        (name, Which::First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pol_40_a_suffix_says_which_value_is_meant() {
        let table = [
            ("iot:ClientId", "iot:clientid", Which::First),
            ("iot:Certificate.Subject.Country", "iot:certificate.subject.country", Which::First),
            ("iot:Certificate.Subject.Country.0", "iot:certificate.subject.country", Which::Nth(0)),
            ("iot:Certificate.Issuer.Country.1", "iot:certificate.issuer.country", Which::Nth(1)),
            (
                "iot:Certificate.Subject.Country.List",
                "iot:certificate.subject.country",
                Which::List,
            ),
            (
                "iot:Certificate.Subject.Country.99999999999999999999",
                "iot:certificate.subject.country",
                Which::Nth(usize::MAX),
            ),
            (
                "iot:Connection.Thing.Attributes[Model.1]",
                "iot:connection.thing.attributes[Model.1]",
                Which::First,
            ),
            ("iot:Certificate.SerialNumber", "iot:certificate.serialnumber", Which::First),
        ];
        for (written, name, which) in table {
            let variable = Variable::new(written);
            assert_eq!((variable.name(), variable.which()), (name, which), "{written}");
        }
    }
}
