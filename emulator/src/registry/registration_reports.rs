//! The reports of a bulk registration task: files of lines, numbered from 1.
//!
//! It decides when another file begins. How many bytes all reports may have is decided in
//! `thing_registration_tasks`, what a line says in `provisioning`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingRegistrationTaskReports.html>,
//! which answers a list of links.

use super::ReportType;
use super::shelf::Shelf;
use crate::quotas::REGISTRATION_REPORT_FILE_BYTES;

/// Both reports of a task.
#[derive(Debug, Default)]
pub(super) struct Reports {
    errors: Report,
    results: Report,
}

/// The files of one report, each at the position of its number.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) files: Shelf<u64, Vec<u8>>,
}

impl Reports {
    pub(super) const fn of(&self, report_type: ReportType) -> &Report {
        match report_type {
            ReportType::Errors => &self.errors,
            ReportType::Results => &self.results,
        }
    }

    /// Adds `line` to a report.
    pub(super) fn add(&mut self, report_type: ReportType, line: &str) {
        let report = match report_type {
            ReportType::Errors => &mut self.errors,
            ReportType::Results => &mut self.results,
        };
        report.add(line, REGISTRATION_REPORT_FILE_BYTES);
    }

    /// The bytes of both.
    pub(super) fn bytes(&self) -> usize {
        let files = self.errors.files.values().chain(self.results.files.values());
        files.map(Vec::len).sum()
    }
}

impl Report {
    fn add(&mut self, line: &str, most: usize) {
        let last = u64::try_from(self.files.len()).unwrap_or(u64::MAX);
        match self.files.get_mut(&last) {
            Some(file) if file.len() + line.len() <= most => {
                file.extend_from_slice(line.as_bytes())
            }
            _ => self.files.insert(last + 1, last + 1, line.as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_has_no_room_begins_another_file() {
        let mut report = Report::default();
        for line in ["12345\n", "6\n", "7\n", "12345678901234567890\n", "8\n"] {
            report.add(line, 10);
        }
        let files: Vec<_> = report.files.iter().map(|(number, file)| (*number, &**file)).collect();
        let expected: [(u64, &[u8]); 3] =
            [(1, b"12345\n6\n7\n"), (2, b"12345678901234567890\n"), (3, b"8\n")];
        assert_eq!(files, expected);
    }
}
