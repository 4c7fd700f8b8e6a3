//! The yardstick: what an engineer writes in an afternoon. notify -> broadcast<Line> -> actix-web-lab Sse, one event per line.
//! Usage: yardstick FILE PORT; GET /events?from=OFFSET&filter=REGEX; GET /file gives the file as it stands. It loses lines by design; it is here to be compared with, not copied.
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, get, web};
use actix_web_lab::sse;
use futures_util::{StreamExt, stream};
use notify::{RecursiveMode, Watcher};
use std::{convert::Infallible, time::Duration};
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::BroadcastStream;

#[derive(Clone)]
struct Line {
    id: u64,
    text: String,
}
struct State {
    tx: broadcast::Sender<Line>,
    path: String,
}

#[derive(serde::Deserialize)]
struct Q {
    from: Option<u64>,
    filter: Option<String>,
}

#[get("/events")]
async fn events(st: web::Data<State>, q: web::Query<Q>, req: HttpRequest) -> impl Responder {
    let re = q.filter.as_deref().map(|f| regex::Regex::new(f).unwrap());
    let from = req.headers().get("last-event-id").and_then(|v| v.to_str().ok()?.parse().ok()).or(q.from);
    let rx = st.tx.subscribe();
    let old = match from {
        None => stream::empty().left_stream(),
        Some(off) => {
            let mut f = tokio::fs::File::open(&st.path).await.unwrap();
            f.seek(std::io::SeekFrom::Start(off)).await.unwrap();
            stream::unfold((BufReader::new(f), off), |(mut r, mut off)| async move {
                let mut s = String::new();
                let n = r.read_line(&mut s).await.ok()?;
                if n == 0 {
                    return None;
                }
                off += n as u64;
                s.pop();
                Some((Line { id: off, text: s }, (r, off)))
            })
            .right_stream()
        }
    };
    let live = BroadcastStream::new(rx).filter_map(|r| async move { r.ok() }); // Lagged: lines are lost
    let events = old
        .chain(live)
        .filter(move |l| {
            let ok = re.as_ref().map_or(true, |r| r.is_match(&l.text));
            async move { ok }
        })
        .map(|l| Ok::<_, Infallible>(sse::Event::Data(sse::Data::new(l.text).id(l.id.to_string()))));
    sse::Sse::from_stream(events).with_keep_alive(Duration::from_secs(15))
}

/// What actix-web can do at most with the bytes of a file: read, and sent in large pieces.
#[get("/file")]
async fn file(st: web::Data<State>) -> impl Responder {
    const PIECE_BYTES: usize = 170 * 1024;
    let file = std::fs::File::open(&st.path).unwrap();
    let pieces = stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let n = std::io::Read::read(&mut file, &mut piece).ok().filter(|&n| n > 0)?;
        piece.truncate(n);
        Some((Ok::<_, Infallible>(web::Bytes::from(piece)), file))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(pieces)
}

async fn tail(path: String, tx: broadcast::Sender<Line>) {
    let (wtx, mut wrx) = mpsc::channel(64);
    let mut w = notify::recommended_watcher(move |_| {
        let _ = wtx.try_send(());
    })
    .unwrap();
    w.watch(path.as_ref(), RecursiveMode::NonRecursive).unwrap();
    let mut f = tokio::fs::File::open(&path).await.unwrap();
    let mut off = f.seek(std::io::SeekFrom::End(0)).await.unwrap();
    let mut r = BufReader::new(f);
    let mut s = String::new();
    loop {
        match r.read_line(&mut s).await {
            Ok(n) if n > 0 && s.ends_with('\n') => {
                off += s.len() as u64;
                s.pop();
                let _ = tx.send(Line { id: off, text: std::mem::take(&mut s) });
            }
            Ok(n) if n > 0 => {}
            _ => {
                let _ = tokio::time::timeout(Duration::from_millis(500), wrx.recv()).await;
            }
        }
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let (path, port) = (a[1].clone(), a[2].parse::<u16>().unwrap());
    let (tx, _) = broadcast::channel(std::env::var("CHANNEL").ok().and_then(|v| v.parse().ok()).unwrap_or(1024));
    let d = web::Data::new(State { tx: tx.clone(), path: path.clone() });
    tokio::spawn(tail(path, tx));
    HttpServer::new(move || App::new().app_data(d.clone()).service(events).service(file)).bind(("127.0.0.1", port))?.run().await
}
