//! Killed at each step of writing, and a disk that fails for a while.

use std::any::Any;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use super::super::disk::{Files, Output, host_files};
use super::*;

/// Files that fail from one step on, up to another. A write that fails was half done.
#[derive(Debug)]
struct Failing {
    host: Arc<dyn Files>,
    steps: Arc<AtomicUsize>,
    from: usize,
    to: usize,
}

impl Failing {
    fn new(from: usize, to: usize) -> Arc<Self> {
        Arc::new(Self {
            host: host_files(),
            steps: Arc::default(),
            from,
            to,
        })
    }

    fn fails(&self) -> bool {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        (self.from..self.to).contains(&step)
    }

    fn step(&self) -> io::Result<()> {
        match self.fails() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl Files for Failing {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step().and_then(|()| self.host.create_folder(folder))
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.host.list(folder)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        self.host.open(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.step()?;
        let file = self.host.create(path)?;
        let steps = Self {
            host: Arc::clone(&self.host),
            steps: Arc::clone(&self.steps),
            ..*self
        };
        Ok(Box::new(FailingOutput { file, steps }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| self.host.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| self.host.remove(path))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step().and_then(|()| self.host.sync_folder(folder))
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        self.step().and_then(|()| self.host.lock(path))
    }
}

struct FailingOutput {
    file: Box<dyn Output>,
    steps: Failing,
}

impl Write for FailingOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.steps.fails() {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for FailingOutput {
    fn sync(&mut self) -> io::Result<()> {
        self.steps.step()?;
        self.file.sync()
    }
}

/// Appends a batch for some series, and has it written.
fn round(window: &Window, clock: &TestClock, number: u32) {
    let time = clock.advance(15 * SECOND);
    let value = f64::from(number).sqrt();
    let batch: Vec<_> = (0..7)
        .map(|series| (labels("m", series), Sample { time, value }))
        .collect();
    assert_eq!(window.append(&batch).added, 7);
    window.maintain();
}

/// A life of a window: two starts, some batches, some snapshots. What was surely written.
fn life(folder: &Path, clock: &Arc<TestClock>, files: &Arc<Failing>) -> Content {
    let mut written = Content::new();
    for _ in 0..2 {
        let (window, _) = Window::open_on(
            files.clone(),
            folder.to_owned(),
            roomy(HOUR),
            vec![],
            clock.clone(),
        );
        for number in 0..9 {
            if number == 6 {
                snapshot_is_due(&window);
            }
            round(&window, clock, number);
            // A failed write may be tried again after half a minute, in vain.
            if files.steps.load(Ordering::Relaxed) <= files.from {
                written = content(&window);
            }
        }
    }
    written
}

#[test]
fn killed_at_any_step() {
    let mut steps = 0;
    for from in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let files = Failing::new(from, usize::MAX);
        let written = life(folder.path(), &clock, &files);
        let (window, restored) = Window::open(folder.path(), roomy(HOUR), vec![], clock.clone());
        assert_eq!(restored.problems, Vec::<String>::new(), "at step {from}");
        let back = content(&window);
        for (labels, samples) in &written {
            let back = back.get(labels).map_or(&[][..], Vec::as_slice);
            // More may be there: what was half-way.
            let found =
                back.len() >= samples.len() && back.windows(samples.len()).any(|w| w == samples);
            assert!(
                found,
                "at step {from}: {labels} had {samples:?}, has {back:?}"
            );
        }
        check_weight(&window);
        // It goes on from there.
        round(&window, &clock, 99);
        let before = content(&window);
        drop(window);
        let (window, _) = Window::open(folder.path(), roomy(HOUR), vec![], clock);
        assert_eq!(content(&window), before, "at step {from}");
        if files.steps.load(Ordering::Relaxed) <= from {
            break;
        }
        steps += 1;
    }
    assert!(steps > 60, "only {steps} steps were tried");
}

#[test]
fn a_disk_that_fails_for_a_while() {
    for from in (0..70).step_by(3) {
        for long in [1, 2, 5, 30] {
            let folder = tempfile::tempdir().unwrap();
            let clock = TestClock::new();
            let files = Failing::new(from, from + long);
            let (window, _) = Window::open_on(
                files.clone(),
                folder.path().to_owned(),
                roomy(6 * HOUR),
                vec![],
                clock.clone(),
            );
            let mut number = 0;
            // Each try, every second round, takes a step of the disk at least.
            while files.steps.load(Ordering::Relaxed) <= from + long || number % 9 != 0 {
                if number % 9 == 5 {
                    snapshot_is_due(&window);
                }
                round(&window, &clock, number);
                number += 1;
            }
            for _ in 0..3 {
                round(&window, &clock, number);
                number += 1;
            }
            let before = content(&window);
            assert_eq!(before[&labels("m", 0)].len(), number as usize);
            let disk = window.stats().disk.unwrap();
            assert!(disk.healthy && disk.last_snapshot.is_some(), "{disk:?}");
            assert!(
                disk.failures > 0 || from > 60,
                "at {from}, {long}: {disk:?}"
            );
            drop(window);
            let (window, restored) =
                Window::open(folder.path(), roomy(6 * HOUR), vec![], clock.clone());
            assert_eq!(content(&window), before, "at {from}, {long}");
            assert_eq!(restored.problems, Vec::<String>::new());
        }
    }
}
