//! What a guest answers, in the host's words: scrubbed, bounded, and checked against the contract.
use crate::{scrub::Scrubber, world::wit};
use caravan_model::port::{AccountInfo, Answer, AudienceInfo, Finding, FindingState, MemberPage, Members};
use caravan_model::{AudienceState, Cause, Column, Fault, Refusal, Report};

/// The longest text for people, in bytes.
const LONGEST_TEXT: usize = 2048;
/// The longest id or cursor, in bytes. A longer one is a mistake; it is cut, and will not be found.
const LONGEST_ID: usize = 8192;

/// Reads answers.
pub(crate) struct Reader<'a> {
    pub(crate) scrubber: &'a Scrubber,
}

impl Reader<'_> {
    pub(crate) fn text(&self, text: String) -> String {
        self.scrubber.text(cut(text, LONGEST_TEXT))
    }

    fn id(&self, text: String) -> String {
        self.scrubber.text(cut(text, LONGEST_ID))
    }

    fn cause(&self, cause: wit::Cause) -> Cause {
        Cause {
            code: self.text(cause.code),
            message: self.text(cause.message),
            link: cause.link.map(|link| self.text(link)),
        }
    }

    fn refusals(&self, refused: Vec<wit::Refusal>) -> Vec<Refusal> {
        let refusal =
            |one: wit::Refusal| Refusal { row: one.row, code: self.text(one.code), message: self.text(one.message) };
        refused.into_iter().map(refusal).collect()
    }

    pub(crate) fn fault(&self, fault: wit::Fault) -> Fault {
        use wit::Fault as F;
        match fault {
            F::Throttled(wait) => Fault::Throttled { after_ms: wait.after_ms, cause: self.cause(wait.cause) },
            F::Unavailable(wait) => Fault::Unavailable { after_ms: wait.after_ms, cause: self.cause(wait.cause) },
            F::Preparing(wait) => Fault::Preparing { after_ms: wait.after_ms, cause: self.cause(wait.cause) },
            F::Unauthorized(cause) => Fault::Unauthorized { cause: self.cause(cause) },
            F::Forbidden(cause) => Fault::Forbidden { cause: self.cause(cause) },
            F::Terms(cause) => Fault::Terms { cause: self.cause(cause) },
            F::Audience(fault) => {
                Fault::Audience { state: audience_state(fault.state), cause: self.cause(fault.cause) }
            }
            F::Rows(refused) => Fault::Rows { refused: self.refusals(refused) },
            F::TooLarge => Fault::TooLarge,
            F::Misconfigured(cause) => Fault::Misconfigured { cause: self.cause(cause) },
            F::Outdated(cause) => Fault::Outdated { cause: self.cause(cause) },
            F::Bug(cause) => Fault::Bug { cause: self.cause(cause) },
        }
    }

    pub(crate) fn accounts(&self, page: wit::AccountPage) -> Answer {
        let account = |one: wit::Account| AccountInfo {
            id: self.id(one.id),
            name: self.text(one.name),
            unusable: one.unusable.map(|why| self.text(why)),
        };
        Answer::Accounts(page.accounts.into_iter().map(account).collect(), page.next.map(|next| self.id(next)))
    }

    pub(crate) fn audiences(&self, page: wit::AudiencePage) -> Answer {
        let audience = |one: wit::Audience| AudienceInfo {
            id: self.id(one.id),
            name: self.text(one.name),
            kind: self.text(one.kind),
            unusable: one.unusable.map(|why| self.text(why)),
            size: one.size,
        };
        Answer::Audiences(page.audiences.into_iter().map(audience).collect(), page.next.map(|next| self.id(next)))
    }

    /// Folders stand where accounts do.
    pub(crate) fn folders(&self, page: wit::FolderPage) -> Answer {
        let folder = |one: wit::Folder| AccountInfo { id: self.id(one.id), name: self.text(one.name), unusable: None };
        Answer::Accounts(page.folders.into_iter().map(folder).collect(), page.next.map(|next| self.id(next)))
    }

    /// Members, held to the contract.
    pub(crate) fn members(&self, page: wit::MemberPage) -> Result<Answer, Fault> {
        match page {
            wit::MemberPage::Pending((cursor, after_ms)) => {
                Ok(Answer::Members(MemberPage::Pending { cursor: self.id(cursor), after_ms }))
            }
            wit::MemberPage::Page(page) => {
                let columns =
                    page.columns.into_iter().map(|one| Column { key: one.key, text: one.text, ends: one.ends });
                let members = Members {
                    rows: page.rows,
                    columns: columns.collect(),
                    joined: page.joined,
                    full: page.full,
                    next: page.next.map(|next| self.id(next)),
                    more: page.more,
                    file: None,
                };
                match members.breach() {
                    None => Ok(Answer::Members(MemberPage::Page(members))),
                    Some(words) => Err(Fault::Bug { cause: Cause::new("bad-report", words) }),
                }
            }
        }
    }

    pub(crate) fn created(&self, created: wit::Created) -> Answer {
        Answer::Created {
            audience: self.id(created.audience),
            audience_parts: created
                .audience_parts
                .into_iter()
                .map(|(name, id)| (self.text(name), self.id(id)))
                .collect(),
            adopted: created.adopted,
        }
    }

    pub(crate) fn findings(&self, findings: Vec<wit::Finding>) -> Answer {
        let finding = |one: wit::Finding| Finding {
            subject: self.text(one.subject),
            state: match one.state {
                wit::FindingState::Good => FindingState::Good,
                wit::FindingState::Warning => FindingState::Warning,
                wit::FindingState::Failed => FindingState::Failed,
            },
            message: self.text(one.message),
            cure: one.cure.map(|cure| self.text(cure)),
            link: one.link.map(|link| self.text(link)),
        };
        Answer::Findings(findings.into_iter().map(finding).collect())
    }

    pub(crate) fn later(&self, later: wit::Later) -> Answer {
        match later {
            wit::Later::After(ms) => Answer::Later(ms),
            wit::Later::Done(done) => Answer::Judged(
                self.refusals(done.refused),
                done.counts.into_iter().map(|(reason, count)| (self.text(reason), count)).collect(),
            ),
        }
    }

    /// A report, held to the contract: what it breaks becomes the fault `bug`, and nothing of it is believed.
    pub(crate) fn report(&self, report: wit::Report, rows: u32) -> Report {
        let report = Report {
            settled: report.settled,
            refused: self.refusals(report.refused),
            unnamed_refused: report.unnamed_refused,
            pending: report.pending.map(|reference| self.id(reference)),
            fault: report.fault.map(|fault| self.fault(fault)),
        };
        match breach(&report, rows) {
            None => report,
            Some(words) => Report::fault(Fault::Bug {
                cause: Cause::new("bad-report", format!("the connector's report cannot be right: {words}")),
            }),
        }
    }
}

fn audience_state(state: wit::AudienceState) -> AudienceState {
    match state {
        wit::AudienceState::Missing => AudienceState::Missing,
        wit::AudienceState::NotWritable => AudienceState::NotWritable,
        wit::AudienceState::Blocked => AudienceState::Blocked,
        wit::AudienceState::TooSmall => AudienceState::TooSmall,
        wit::AudienceState::Full => AudienceState::Full,
    }
}

/// How a report breaks the contract, if it does.
fn breach(report: &Report, rows: u32) -> Option<String> {
    let mut done = vec![false; rows as usize];
    let mut end = 0;
    for &(from, to) in &report.settled {
        if from < end || from > to || to > rows {
            return Some(format!("the settled rows {from}..{to} of {rows} are out of order or out of bounds"));
        }
        done[from as usize..to as usize].fill(true);
        end = to;
    }
    for refusal in &report.refused {
        match done.get_mut(refusal.row as usize) {
            None => return Some(format!("it refuses row {} of {rows}", refusal.row)),
            Some(done) if *done => return Some(format!("it settles or refuses row {} twice", refusal.row)),
            Some(done) => *done = true,
        }
    }
    let settled: u64 = report.settled.iter().map(|(from, to)| u64::from(to - from)).sum();
    if u64::from(report.unnamed_refused) > settled {
        return Some(format!("it refuses {} rows without a name, and settles {settled}", report.unnamed_refused));
    }
    match &report.fault {
        None => {
            done.iter().position(|done| !done).map(|row| format!("it says nothing of row {row}, and names no fault"))
        }
        Some(Fault::Rows { refused }) => {
            if refused.is_empty() {
                return Some("its fault `rows` names no row".into());
            }
            let mut named = vec![false; rows as usize];
            for refusal in refused {
                match named.get_mut(refusal.row as usize) {
                    Some(named) if !*named => *named = true,
                    _ => {
                        return Some(format!(
                            "its fault `rows` names row {} of {rows}, or names it twice",
                            refusal.row
                        ));
                    }
                }
            }
            None
        }
        Some(_) => None,
    }
}

/// The beginning of a text, cut between characters.
pub(crate) fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let mut end = longest;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(row: u32) -> Refusal {
        Refusal { row, code: "x".into(), message: String::new() }
    }

    #[test]
    fn a_report_without_fault_settles_or_refuses_every_row_once() {
        let good = Report { settled: vec![(0, 2), (3, 5)], refused: vec![refusal(2)], ..Report::default() };
        assert_eq!(breach(&good, 5), None);
        assert_eq!(breach(&Report { settled: vec![(0, 0)], ..Report::default() }, 0), None);
        for (settled, refused) in [
            (vec![(0, 4)], vec![]),
            (vec![(0, 6)], vec![]),
            (vec![(0, 3), (2, 5)], vec![]),
            (vec![(3, 5), (0, 3)], vec![]),
            (vec![(2, 1), (0, 5)], vec![]),
            (vec![(0, 5)], vec![4]),
            (vec![(0, 4)], vec![4, 4]),
            (vec![(0, 5)], vec![5]),
        ] {
            let report = Report {
                settled: settled.clone(),
                refused: refused.into_iter().map(refusal).collect(),
                ..Report::default()
            };
            assert!(breach(&report, 5).is_some(), "{settled:?}");
        }
        let unnamed = Report { settled: vec![(0, 5)], unnamed_refused: 6, ..Report::default() };
        assert!(breach(&unnamed, 5).is_some());
    }

    #[test]
    fn with_a_fault_rows_may_be_left_but_not_invented() {
        let fault = |refused| Report::fault(Fault::Rows { refused });
        assert_eq!(breach(&Report::fault(Fault::TooLarge), 3), None);
        assert_eq!(breach(&fault(vec![refusal(2)]), 3), None);
        for refused in [vec![], vec![refusal(3)], vec![refusal(1), refusal(1)]] {
            assert!(breach(&fault(refused), 3).is_some());
        }
    }
}
