//! A call's log: what the guest logs or prints, bounded in lines and bytes; scrubbed when the call has ended.
use crate::words::cut;
use bytes::Bytes;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line, in bytes.
const LONGEST_LINE: usize = 4096;

/// A bounded log that may be written from several places of one call.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    lines: Vec<String>,
    left_lines: usize,
    left_bytes: usize,
    dropped: usize,
}

impl Log {
    pub(crate) fn new(lines: usize, bytes: usize) -> Log {
        Log(Arc::new(Mutex::new(Lines { lines: Vec::new(), left_lines: lines, left_bytes: bytes, dropped: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line; line breaks within become spaces, so that one line cannot pose as several.
    pub(crate) fn write(&self, level: &str, line: &str) {
        let mut log = self.lock();
        if log.left_lines == 0 || log.left_bytes == 0 {
            log.dropped += 1;
            return;
        }
        let longest = LONGEST_LINE.min(log.left_bytes);
        let mut end = line.len().min(longest + 1);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = cut(line[..end].to_owned(), longest).replace(|c: char| c.is_control(), " ");
        log.left_lines -= 1;
        log.left_bytes -= line.len().min(log.left_bytes);
        log.lines.push(format!("{level}: {line}"));
    }

    /// All lines, and a last one that says how many were dropped.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut log = self.lock();
        let mut lines = std::mem::take(&mut log.lines);
        if log.dropped > 0 {
            lines.push(format!("caravan: {} more lines were dropped: the call's log is full", log.dropped));
        }
        lines
    }
}

/// Standard output or error of a guest, as lines of its log.
#[derive(Clone)]
pub(crate) struct Printed {
    log: Log,
    name: &'static str,
}

impl Printed {
    pub(crate) fn new(log: Log, name: &'static str) -> Printed {
        Printed { log, name }
    }

    fn stream(&self) -> PrintStream {
        PrintStream { to: self.clone(), open: Vec::new() }
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.stream())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.stream())
    }
}

/// Cuts what is printed into lines.
struct PrintStream {
    to: Printed,
    open: Vec<u8>,
}

impl PrintStream {
    fn print(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LONGEST_LINE + 1 - self.open.len().min(LONGEST_LINE + 1);
            self.open.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.open);
        let line = line.trim_end();
        if !line.is_empty() {
            self.to.log.write(self.to.name, line);
        }
        self.open.clear();
    }
}

impl Drop for PrintStream {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl OutputStream for PrintStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl Pollable for PrintStream {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl tokio::io::AsyncWrite for PrintStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_one_line_stays_one_line() {
        let log = Log::new(3, 10_000);
        log.write("info", "one\nerror: forged");
        log.write("warn", &"é".repeat(4000));
        let mut stream = Printed::new(log.clone(), "stderr").stream();
        stream.print(b"panicked at ");
        stream.print(b"x\nmore\n");
        let lines = log.take();
        assert_eq!(lines[0], "info: one error: forged");
        assert!(lines[1].len() <= LONGEST_LINE + 10, "{}", lines[1].len());
        assert_eq!(lines[2..], ["stderr: panicked at x", "caravan: 1 more lines were dropped: the call's log is full"]);
    }

    #[test]
    fn a_log_is_bounded_in_bytes() {
        let log = Log::new(1000, 100);
        for _ in 0..10 {
            log.write("info", &"x".repeat(60));
        }
        assert!(log.take().iter().map(String::len).sum::<usize>() < 250);
    }
}
