//! A history in memory: filled by the simulation, or read from the folder of a run and put in order of time.

use std::fs;
use std::io;
use std::path::Path;

use super::record::{Record, SIZE};

/// Everything that happened in a run. Records are 64 bytes in memory, too: a million messages need half a gigabyte.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In order of time; what happened at the same time in the order it was added.
    pub records: Vec<Record>,
    /// Files that ended in the middle of a record.
    pub torn: u64,
    /// Records of a kind that is not known.
    pub unknown: u64,
}

impl History {
    /// Of these records, in the order they stand.
    pub fn new(records: Vec<Record>) -> Self {
        let mut history = Self { records, ..Self::default() };
        history.sort();
        history
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Puts records in order of time; those of the same time stay as they stand.
    pub fn sort(&mut self) {
        self.records.sort_by_key(|record| record.time);
    }

    /// Reads every `*.hist` of a folder.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut history = Self::default();
        let mut paths = fs::read_dir(folder)?.map(|item| Ok(item?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "hist"));
        paths.sort();
        for path in paths {
            history.add_file(&fs::read(path)?);
        }
        history.sort();
        Ok(history)
    }

    fn add_file(&mut self, bytes: &[u8]) {
        let (whole, rest) = bytes.as_chunks::<SIZE>();
        self.torn += u64::from(!rest.is_empty());
        self.records.reserve(whole.len());
        for record in whole {
            match Record::from_bytes(record) {
                Some(record) => self.records.push(record),
                None => self.unknown += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use crate::actor::Pen;

    #[test]
    fn files_are_merged_by_time_and_a_torn_end_is_counted() {
        let folder = std::env::temp_dir().join(format!("sg-history-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let record = |time, actor| Record::new(Kind::ActorStart, time, actor);
        let pen = |actor| Pen::open(&folder.join(format!("{actor}.hist")), actor).unwrap();
        let (a, b) = (pen(1), pen(2));
        for (pen, time) in [(&a, 1), (&b, 2), (&a, 3), (&a, 5), (&b, 4)] {
            pen.write(&record(time, 1)).unwrap();
        }
        let mut torn = fs::read(folder.join("2.hist")).unwrap();
        torn.extend_from_slice(&[9; 63]);
        torn[64 + 12] = 255;
        fs::write(folder.join("2.hist"), torn).unwrap();
        fs::write(folder.join("rules.json"), "{}").unwrap();
        let history = History::read(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(history.records.iter().map(|r| r.time).collect::<Vec<_>>(), [1, 2, 3, 5]);
        assert_eq!((history.torn, history.unknown), (1, 1));
    }
}
