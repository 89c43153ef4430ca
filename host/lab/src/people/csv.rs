//! People as a CSV file.

use std::io::{self, Write};

use super::{People, Person};

/// First line of the file, without its line end. The columns after `consents` are attributes.
pub const HEADER: &str = "external_id,email,phone,first_name,last_name,gender,birth_date,city,state,zip,country,idfa,gaid,\
                          time_zone,ad_tracking_enabled,do_not_sell_or_share,consents,plan,days_since_open,app_user,channel";

/// Writes `count` people of `seed` as CSV (UTF-8, lines end with a line feed), several values of a cell joined by
/// `;`. The writer should be buffered.
///
/// # Errors
/// Whatever the writer refuses.
pub fn write_csv(mut out: impl Write, count: u64, seed: u64) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    let mut line = String::with_capacity(512);
    for person in People::new(count, seed) {
        line.clear();
        row(&mut line, &person);
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

fn row(line: &mut String, person: &Person) {
    let truth = |value: Option<bool>| match value {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    };
    let (emails, phones) = (person.emails.join(";"), person.phones.join(";"));
    let days = person.days_since_open.to_string();
    let cells = [
        &person.external_id,
        emails.as_str(),
        &phones,
        &person.first_name,
        &person.last_name,
        &person.gender,
        &person.birth_date,
        &person.city,
        &person.state,
        &person.zip,
        &person.country,
        &person.idfa,
        &person.gaid,
        &person.time_zone,
        truth(person.ad_tracking_enabled),
        truth(person.do_not_sell_or_share),
        &person.consents,
        person.plan,
        &days,
        truth(Some(person.app_user)),
        person.channel,
    ];
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_every_column() -> io::Result<()> {
        let mut out = Vec::new();
        write_csv(&mut out, 5_000, 1)?;
        let text = String::from_utf8_lossy(&out);
        let columns = HEADER.split(',').count();
        assert_eq!(text.lines().count(), 5_001);
        for line in text.lines().filter(|line| !line.contains('"')) {
            assert_eq!(line.split(',').count(), columns, "{line}");
        }
        Ok(())
    }
}
