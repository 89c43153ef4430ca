//! Packed columns: how a batch's rows are handed to guests, and how members come from them.
use caravan_model::port::Members;
use caravan_model::{Action, Column, FlagColumn, Part};

/// The rows that bytes stand for: a line of keys, then a line per row, cells parted by tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Names of columns.
    pub keys: Vec<String>,
    /// As many cells as keys in each.
    pub rows: Vec<Vec<String>>,
}

impl Rows {
    /// Reads any bytes; what is no UTF-8 is replaced.
    pub fn of(bytes: &[u8]) -> Rows {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n');
        let keys: Vec<String> = lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
        let row = |line: &str| -> Vec<String> {
            let cells = line.split('\t').map(str::to_owned).chain(std::iter::repeat(String::new()));
            cells.take(keys.len()).collect()
        };
        let rows = lines.map(row).collect();
        Rows { keys, rows }
    }

    /// Packed as the host packs them. People have one to three rows each.
    pub fn part(&self) -> Part {
        let count = u32::try_from(self.rows.len()).expect("few rows");
        let pack = |(at, key): (usize, &String)| {
            let mut column = Column::with_capacity(key, self.rows.len(), 8);
            self.rows.iter().for_each(|row| column.push(&row[at]));
            column
        };
        let mut person_ends: Vec<u32> = (1..=count).filter(|end| end % 3 != 1 && end % 7 != 2).collect();
        if person_ends.last() != Some(&count) && count > 0 {
            person_ends.push(count);
        }
        let values = self.rows.iter().map(|row| (row[0].len() % 3) as u8);
        Part {
            id: "part".into(),
            action: Action::Add,
            group: "people".into(),
            rows: count,
            person_ends,
            columns: self.keys.iter().enumerate().map(pack).collect(),
            flags: vec![FlagColumn { key: "flag".into(), values: values.collect() }],
        }
    }
}

/// Rows that are packed and unpacked are the same rows, also without some of their people; columns that a guest packed
/// are taken if and only if they can be unpacked.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let rows = Rows::of(bytes);
    let part = rows.part();
    same(&part, &rows.rows);
    let text = serde_json::to_string(&part).expect("JSON");
    assert_eq!(serde_json::from_str::<Part>(&text).expect("JSON"), part);
    struck(&part, &rows.rows, bytes);
    let joined = vec![1; rows.rows.len()];
    let members = Members { rows: part.rows, columns: part.columns.clone(), joined, ..Members::default() };
    assert_eq!(members.breach(), None, "what the host packs is sound");
    invented(bytes);
}

/// The packed rows are these.
///
/// # Panics
/// They are not.
pub fn same(part: &Part, rows: &[Vec<String>]) {
    assert_eq!(part.rows as usize, rows.len());
    for (at, column) in part.columns.iter().enumerate() {
        assert_eq!(column.rows(), rows.len());
        let all: String = rows.iter().map(|row| row[at].as_str()).collect();
        assert_eq!(column.text, all.as_bytes(), "one after the other, and nothing between");
        let mut end = 0;
        for (row, cells) in rows.iter().enumerate() {
            end += cells[at].len();
            assert_eq!(column.ends[row] as usize, end);
            assert_eq!(column.value(row), cells[at]);
        }
        assert_eq!(column.value(rows.len()), "", "there is no further row");
    }
}

/// Without some people: their rows are gone, all others are as they were.
fn struck(part: &Part, rows: &[Vec<String>], bytes: &[u8]) {
    let struck: Vec<bool> = (0..part.people()).map(|at| bytes.get(at).is_some_and(|byte| byte % 2 == 1)).collect();
    let (mut left, mut flags, mut ends, mut begin) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (person, end) in part.person_ends.iter().enumerate() {
        let own = begin..*end as usize;
        begin = *end as usize;
        if !struck[person] {
            flags.extend_from_slice(&part.flags[0].values[own.clone()]);
            left.extend_from_slice(&rows[own]);
            ends.push(u32::try_from(left.len()).expect("few rows"));
        }
    }
    let rest = part.without(&struck);
    same(&rest, &left);
    assert_eq!((&rest.person_ends, &rest.flags[0].values), (&ends, &flags));
    assert_eq!((&rest.id, rest.action, &rest.group), (&part.id, part.action, &part.group));
    assert_eq!(rest.without(&[]), rest, "nobody more is struck");
}

/// Columns as a guest may have made them up: half of the bytes are ends, the others text.
fn invented(bytes: &[u8]) {
    let (numbers, text) = bytes.split_at(bytes.len() / 2);
    // Small ends, which may fit, and any number.
    let small: Vec<u32> = numbers.iter().map(|byte| u32::from(*byte) % (text.len() as u32 + 2)).collect();
    let mut sorted = small.clone();
    sorted.sort_unstable();
    let mut whole = sorted.clone();
    if let Some(last) = whole.last_mut() {
        *last = text.len() as u32;
    }
    let any = numbers.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    for ends in [small, sorted, whole, any.collect()] {
        let column = Column { key: "k".into(), text: text.to_vec(), ends };
        let count = column.ends.len();
        let naive = unpacked(&column);
        let rows = u32::try_from(count).expect("few rows");
        let mut members = Members { rows, columns: vec![column], joined: vec![1; count], ..Members::default() };
        assert_eq!(members.breach().is_none(), naive.is_some(), "{members:?}");
        for row in 0..count + 2 {
            let value = members.columns[0].value(row).to_owned();
            let member = members.value("k", row).map(str::to_owned);
            if let Some(naive) = &naive {
                let right = naive.get(row).cloned().unwrap_or_default();
                assert_eq!((value, member.unwrap_or_default()), (right.clone(), right), "row {row}");
            }
        }
        members.rows += 1;
        assert!(members.breach().is_some(), "a row more than there is");
    }
}

/// Cut piece by piece; none where a piece cannot be cut, is no text, or something is left.
fn unpacked(column: &Column) -> Option<Vec<String>> {
    let mut rest = column.text.as_slice();
    let mut values = Vec::new();
    let mut at = 0u32;
    for end in &column.ends {
        let length = end.checked_sub(at)? as usize;
        let (piece, behind) = rest.split_at_checked(length)?;
        values.push(String::from_utf8(piece.to_vec()).ok()?);
        (rest, at) = (behind, *end);
    }
    rest.is_empty().then_some(values)
}
