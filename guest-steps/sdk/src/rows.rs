//! The rows of a part as slices of its packed columns: nothing is copied or allocated per row.
use crate::{Fault, FlagColumn, Part, fault};

/// A view of a part's rows; the contract's `part.columns`.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    count: usize,
    columns: Vec<Values<'a>>,
    flags: &'a [FlagColumn],
}

/// The values of one match key, one per row; the contract's `column`.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    key: &'a str,
    text: &'a [u8],
    ends: &'a [u32],
}

impl<'a> Rows<'a> {
    /// A view of `part`.
    ///
    /// # Errors
    /// `bug` where the columns are not as the contract promises: one end per row, never decreasing, the last equal to
    /// the text's length; one value of a flag per row.
    pub fn of(part: &'a Part) -> Result<Rows<'a>, Fault> {
        let count = part.rows as usize;
        let mut columns = Vec::with_capacity(part.columns.len());
        for column in &part.columns {
            let values = Values { key: &column.key, text: &column.text, ends: &column.ends };
            if !values.is_sound(count) {
                let message = format!("The column `{}` does not hold {count} packed values.", column.key);
                return Err(fault::bug("columns", message));
            }
            columns.push(values);
        }
        if let Some(flag) = part.flags.iter().find(|flag| flag.values.len() != count) {
            let message = format!("The flag `{}` does not have {count} values.", flag.key);
            return Err(fault::bug("flags", message));
        }
        Ok(Rows { count, columns, flags: &part.flags })
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The columns, in the manifest's order of keys; only keys that some row has.
    pub fn columns(&self) -> &[Values<'a>] {
        &self.columns
    }

    /// A flag of the manifest, one byte per row (0 = unspecified, 1 = granted, 2 = denied); none where nobody in this
    /// part said anything.
    pub fn flag(&self, key: &str) -> Option<&'a [u8]> {
        self.flags.iter().find(|flag| flag.key == key).map(|flag| flag.values.as_slice())
    }
}

impl<'a> Values<'a> {
    /// The match key's name in the manifest.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The value of a row; empty where the person has none or `row` is out of range.
    #[inline(always)]
    pub fn get(&self, row: usize) -> &'a [u8] {
        let Some(&end) = self.ends.get(row) else { return &[] };
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// All values, one after the other.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// How many rows have a value.
    pub fn filled(&self) -> usize {
        let mut start = 0;
        self.ends.iter().filter(|&&end| std::mem::replace(&mut start, end) != end).count()
    }

    /// The values in row order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + 'a {
        let values = *self;
        (0..values.ends.len()).map(move |row| values.get(row))
    }

    fn is_sound(&self, rows: usize) -> bool {
        self.ends.len() == rows
            && self.ends.is_sorted()
            && self.ends.last().map_or(self.text.is_empty(), |&end| end as usize == self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;
    use crate::{Fault, FlagColumn, testing};

    #[test]
    fn rows_are_slices_of_the_packed_text() {
        let part = testing::part("people", &[("EMAIL", &["aa", "", "b"]), ("PHONE", &["", "1", ""])]);
        let rows = Rows::of(&part).expect("sound");
        let email = rows.columns()[0];
        assert_eq!(email.iter().collect::<Vec<_>>(), [&b"aa"[..], b"", b"b"]);
        assert_eq!((email.filled(), rows.columns()[1].filled()), (2, 1));
        assert_eq!(email.get(9), b"");
    }

    #[test]
    fn a_flag_has_a_value_per_row_or_is_a_bug() {
        let mut part = testing::part("people", &[("EMAIL", &["aa", "b"])]);
        assert_eq!(Rows::of(&part).expect("sound").flag("sale"), None);
        part.flags.push(FlagColumn { key: "sale".to_owned(), values: vec![0, 2] });
        assert_eq!(Rows::of(&part).expect("sound").flag("sale"), Some(&[0, 2][..]));
        part.flags[0].values.pop();
        assert!(matches!(Rows::of(&part), Err(Fault::Bug(_))));
    }

    #[test]
    fn columns_that_break_the_contract_are_a_bug_and_no_panic() {
        let broken = |ends: Vec<u32>| {
            let mut part = testing::part("people", &[("EMAIL", &["aa", "b"])]);
            part.columns[0].ends = ends;
            matches!(Rows::of(&part), Err(Fault::Bug(_)))
        };
        assert!(broken(vec![2]) && broken(vec![3, 2]) && broken(vec![2, 9]) && broken(vec![2, 2]));
        assert!(!broken(vec![1, 3]));
    }
}
