//! Plays a WAV file to Moshi as if it were spoken now, prints Moshi's words as they come and writes
//! its voice to another WAV file. Sound travels as 16-bit samples: no Opus library is needed.
//!
//!     cargo run --example talk question.wav reply.wav [127.0.0.1:50051]

use std::{env, error::Error, fs, io, io::Write, time::Duration};

use kaiwa::v1::{converse_request::Request, converse_response::Response, ConverseResponse};
use kaiwa::v1::{dialogue_service_client::DialogueServiceClient, ConverseConfig, ConverseRequest};
use kaiwa::v1::{AudioEncoding, AudioFormat, InputAudio};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const FRAME_MS: usize = 80;
const FRAME_BYTES: usize = 2 * 1920;
const SILENCE_BYTES: usize = 5_000 / FRAME_MS * FRAME_BYTES; // as long as an answer may take

/// Gives the file of these 16-bit mono samples at 24 kHz. Its numbers of 16 bits go in pairs: PCM and
/// one channel; bytes and bits of a sample.
fn wav(samples: &[u8]) -> Vec<u8> {
    let number = u32::to_le_bytes;
    let size = samples.len() as u32;
    let format = [number(1 | 1 << 16), number(24_000), number(48_000), number(2 | 16 << 16)];
    let riff = [*b"RIFF", number(36 + size), *b"WAVE", *b"fmt ", number(16)];
    let data = [*b"data", number(size)];
    [riff.as_flattened(), format.as_flattened(), data.as_flattened(), samples].concat()
}

fn read_wav(path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let file = fs::read(path)?;
    let has_format = file.get(8..36) == wav(&[]).get(8..36);
    let data = file.windows(4).skip(36).position(|name| name == b"data");
    match data.and_then(|at| file.get(36 + at + 8..)) {
        Some(samples) if has_format => Ok(samples.to_vec()),
        _ => Err(format!("{path} is not a WAV file of 16-bit mono samples at 24 kHz").into()),
    }
}

/// Sends one frame each 80 ms. It gives up when the call has ended, and `listen` says why that was.
async fn speak(call: mpsc::Sender<ConverseRequest>, sound: Vec<u8>) -> Option<()> {
    let pcm = AudioFormat { encoding: AudioEncoding::PcmS16le.into(), ..Default::default() };
    let (input_format, output_format) = (Some(pcm.clone()), Some(pcm));
    let config = ConverseConfig { input_format, output_format, ..Default::default() };
    call.send(ConverseRequest { request: Some(Request::Config(config)) }).await.ok()?;
    let mut clock = tokio::time::interval(Duration::from_millis(FRAME_MS as u64));
    for frame in sound.chunks(FRAME_BYTES) {
        clock.tick().await;
        let audio = InputAudio { data: frame.to_vec() };
        call.send(ConverseRequest { request: Some(Request::Audio(audio)) }).await.ok()?;
    }
    Some(())
}

/// Prints words as they come; gives Moshi's voice when the conversation has ended.
async fn listen(mut call: tonic::Streaming<ConverseResponse>) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut voice, mut space) = (Vec::new(), "");
    while let Some(message) = call.message().await.map_err(reason)? {
        match message.response {
            Some(Response::Audio(audio)) => voice.extend(audio.data),
            Some(Response::Text(text)) => {
                print!("{}{}", if text.starts_word { space } else { "" }, text.text);
                io::stdout().flush()?;
                space = " ";
            }
            Some(Response::Summary(summary)) => {
                println!("\n{} frames heard, {} spoken", summary.frames_in, summary.frames_out);
            }
            _ => {}
        }
    }
    Ok(voice)
}

fn reason(status: tonic::Status) -> String {
    let trailer = status.metadata().get("kaiwa-reason").and_then(|value| value.to_str().ok());
    format!("{}: {}", trailer.unwrap_or("ERROR"), status.message())
}

async fn talk() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [question, reply, target @ ..] = arguments.as_slice() else {
        return Err("usage: talk question.wav reply.wav [host:port]".into());
    };
    let sound = [read_wav(question)?, vec![0; SILENCE_BYTES]].concat();
    let target = format!("http://{}", target.first().map_or("127.0.0.1:50051", String::as_str));
    let mut client = DialogueServiceClient::connect(target).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(speak(sender, sound));
    let call = client.converse(ReceiverStream::new(receiver)).await.map_err(reason)?;
    Ok(fs::write(reply, wav(&listen(call.into_inner()).await?))?)
}

#[tokio::main]
async fn main() {
    if let Err(error) = talk().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
