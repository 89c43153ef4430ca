//! Compiling untrusted bytes in a process of its own: a compiler that is led astray, or that never ends, then takes
//! nothing with it.
use caravan_model::{Code, Problem};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a component is compiled in a child process: this program again, with a verb that nobody types.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; the child reads a component on its standard input and writes machine code to its standard output
    /// ([`compile`]).
    pub arguments: Vec<OsString>,
    /// How long it may take; it is killed then.
    pub time: Duration,
    /// Most bytes of address space.
    pub memory_bytes: u64,
}

impl Compiler {
    /// A compiler with 60 s and 4 GiB.
    pub fn new(program: PathBuf, arguments: impl IntoIterator<Item = OsString>) -> Compiler {
        let arguments = arguments.into_iter().collect();
        Compiler { program, arguments, time: Duration::from_secs(60), memory_bytes: 4 << 30 }
    }

    /// Compiles these bytes.
    ///
    /// # Errors
    /// In plain words: the child's own, or which bound it broke.
    pub(crate) fn run(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = self.command().spawn().map_err(|error| format!("its compiler cannot be started: {error}"))?;
        let (Some(mut to), Some(mut from), Some(mut words)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("its compiler has no pipes".to_owned());
        };
        let limit = 64 * bytes.len() as u64 + (16 << 20);
        let (ended, code, said) = std::thread::scope(|scope| {
            // A child that ended early reads no more: its end tells why.
            scope.spawn(move || drop(to.write_all(bytes)));
            let reading = scope.spawn(move || {
                let mut code = Vec::new();
                from.by_ref().take(limit).read_to_end(&mut code).map(|_| code)
            });
            let listening = scope.spawn(move || {
                let mut said = Vec::new();
                let _ = words.by_ref().take(4096).read_to_end(&mut said);
                String::from_utf8_lossy(&said).trim().to_owned()
            });
            let ended = self.wait(&mut child);
            let code = reading.join().unwrap_or_else(|_| Err(io::Error::other("reading failed")));
            (ended, code, listening.join().unwrap_or_default())
        });
        match ended {
            Ok(true) => code.map_err(|error| format!("its compiler's answer cannot be read: {error}")),
            Ok(false) if said.is_empty() => Err(format!(
                "its compiler ended without a word; it may use {} MiB and {} s",
                self.memory_bytes >> 20,
                self.time.as_secs()
            )),
            Ok(false) => Err(said),
            Err(words) => Err(words),
        }
    }

    /// The child without this process's environment, where secrets stand.
    fn command(&self) -> Command {
        let mut command = if cfg!(unix) {
            // A shell sets the limits and becomes the program; this crate then needs no unsafe call.
            let mut shell = Command::new("/bin/sh");
            let limits = format!(
                "ulimit -v {} && ulimit -t {} && ulimit -c 0 && exec \"$@\"",
                self.memory_bytes >> 10,
                2 * self.time.as_secs().max(1)
            );
            shell.args(["-c", &limits, "sh"]).arg(&self.program);
            shell
        } else {
            Command::new(&self.program)
        };
        command.args(&self.arguments).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Whether it ended well.
    fn wait(&self, child: &mut Child) -> Result<bool, String> {
        let until = Instant::now() + self.time;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("compiling it takes longer than {} s", self.time.as_secs()));
                }
                Err(error) => return Err(format!("its compiler is lost: {error}")),
            }
        }
    }
}

/// The child's side: reads a component, writes its machine code.
///
/// # Errors
/// The bytes are no component that can be compiled, or the pipes broke.
pub fn compile(mut from: impl Read, mut to: impl Write) -> Result<(), Problem> {
    let wrong = |words: String| Problem::new(Code::NotAComponent, words);
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|error| wrong(format!("its bytes cannot be read: {error}")))?;
    let engine = crate::sandbox::compiling_engine()?;
    let code = engine.precompile_component(&bytes).map_err(|error| wrong(format!("{error:#}")))?;
    to.write_all(&code).map_err(|error| wrong(format!("its code cannot be handed over: {error}")))
}
