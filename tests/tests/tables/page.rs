//! What `docs/partners/errors.md` says.
use xtask::stage::root;

/// One line of a partner's table.
#[derive(Debug)]
pub struct Line {
    /// The row of the contract.
    pub row: usize,
    /// What raises it: names of dials, or tests as `FILE::FUNCTION`.
    pub raised_by: Vec<String>,
    /// The state it becomes; `*` stands for the dial's name.
    pub becomes: String,
}

impl Line {
    /// The dials among what raises it; insists that the tests among it exist.
    pub fn dials(&self) -> Vec<&str> {
        let mut dials = Vec::new();
        for name in &self.raised_by {
            let Some((file, function)) = name.split_once("::") else {
                dials.push(name.as_str());
                continue;
            };
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(&format!("fn {function}(")), "{file} has no test {function}");
        }
        dials
    }
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A partner's table.
pub fn lines(partner: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(root().join("docs/partners/errors.md")).expect("the page");
    let section = text.split("\n## ").find(|section| section.lines().next() == Some(partner));
    let section = section.unwrap_or_else(|| panic!("the page has no {partner}"));
    let cells = section.lines().filter(|line| line.starts_with('|'));
    let cells = cells.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let line = |cells: Vec<&str>| -> Option<Line> {
        let [row, _, raised_by, becomes] = cells[..] else { panic!("{partner}: {cells:?} has not four cells") };
        Some(Line { row: row.parse().ok()?, raised_by: quoted(raised_by), becomes: becomes.replace('`', "") })
    };
    cells.filter_map(line).collect()
}
