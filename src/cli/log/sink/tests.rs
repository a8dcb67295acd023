use super::*;
use crate::metrics::Metrics;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Each write waits until the test reads it.
struct Slow(SyncSender<Vec<u8>>);

impl Write for Slow {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(ErrorKind::BrokenPipe);
        self.0.send(lines.to_vec()).map(|()| lines.len()).map_err(gone)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    sink: Sink,
    metrics: Arc<Metrics>,
    reader: Receiver<Vec<u8>>,
    reports: Receiver<u64>,
}

impl Log {
    fn start() -> Self {
        let (sender, reader) = sync_channel(0);
        let (reported, reports) = sync_channel(100);
        let metrics = Arc::new(Metrics::default());
        let report = move |lost| reported.send(lost).unwrap();
        let sink = Sink::start(Slow(sender), metrics.log_lines_lost(), report).unwrap();
        Self { sink, metrics, reader, reports }
    }

    fn read(&self) -> Vec<u8> {
        self.reader.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn lost(&self) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix("groundlink_log_lines_lost_total "));
        line.unwrap().parse().unwrap()
    }
}

#[test]
fn without_a_reader_what_waits_is_bounded_and_the_rest_is_counted_and_reported_once() {
    let log = Log::start();
    let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
    log.sink.push(&line);
    // Until the first write is under way, and nobody reads it.
    while !log.sink.0.lock().waiting.is_empty() {
        thread::yield_now();
    }
    for _ in 0..3000 {
        log.sink.push(&line);
    }
    let fitting = (WAITING / line.len()) as u64;
    assert_eq!(log.sink.0.lock().waiting.len(), WAITING);
    assert_eq!(log.lost(), 3000 - fitting);
    assert!(log.reports.try_recv().is_err(), "nobody reads");
    assert_eq!(log.read().len(), line.len());
    assert_eq!(log.read().len(), WAITING);
    assert_eq!(log.reports.recv_timeout(Duration::from_secs(20)), Ok(3000 - fitting));
    log.sink.push(b"last\n");
    assert_eq!(log.read(), b"last\n");
    assert!(log.reports.try_recv().is_err(), "reported once");
    assert_eq!(log.lost(), 3000 - fitting);
}

#[test]
fn the_end_waits_for_a_reader_but_not_for_ever() {
    let log = Log::start();
    log.sink.push(b"last\n");
    let began = Instant::now();
    log.sink.flush(Duration::from_millis(50));
    assert!(began.elapsed() >= Duration::from_millis(50), "nobody read");
    let sink = log.sink.clone();
    let reader = thread::spawn(move || log.read());
    sink.flush(Duration::from_secs(20));
    assert_eq!(reader.join().unwrap(), b"last\n");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_reader_that_is_gone_costs_the_lines_and_nothing_else() {
    let log = Log::start();
    let Log { sink, metrics, reader, reports } = log;
    drop(reader);
    for _ in 0..10 {
        sink.push(b"a line\n");
        sink.flush(Duration::from_secs(20));
    }
    assert!(metrics.encode().contains("groundlink_log_lines_lost_total 10\n"), "{}", metrics.encode());
    assert!(reports.try_recv().is_err(), "a report would be lost, too");
}
