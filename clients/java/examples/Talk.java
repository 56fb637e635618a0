import com.google.protobuf.ByteString;
import io.grpc.*;
import io.grpc.stub.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.*;
import javax.sound.sampled.*;
import javax.sound.sampled.AudioFormat;
import kaiwa.v1.Dialogue.*;
import kaiwa.v1.DialogueServiceGrpc;

/**
 * Plays a WAV file to Moshi as if it were spoken now, prints Moshi's words as they come and writes
 * its voice to another WAV file. Sound travels as 16-bit samples: no Opus library is needed.
 */
final class Talk implements ClientResponseObserver<ConverseRequest, ConverseResponse> {
  static final int FRAME_MS = 80;
  static final int FRAME_BYTES = 2 * 1920;
  static final int SILENCE_FRAMES = 5_000 / FRAME_MS; // as long as an answer may take
  static final AudioFormat WAV = new AudioFormat(24_000, 16, 1, true, false); // little-endian

  private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private final ByteArrayOutputStream voice = new ByteArrayOutputStream();
  private final CompletableFuture<byte[]> reply = new CompletableFuture<>();
  private final Semaphore changes = new Semaphore(0); // there is room, or the end has come
  private ClientCallStreamObserver<ConverseRequest> call;
  private String space = "";

  @Override public void beforeStart(ClientCallStreamObserver<ConverseRequest> call) {
    this.call = call;
    call.setOnReadyHandler(changes::release);
    reply.whenComplete((spoken, error) -> changes.release());
  }

  @Override public void onNext(ConverseResponse response) {
    voice.writeBytes(response.getAudio().getData().toByteArray());
    if (response.hasText()) {
      out.print((response.getText().getStartsWord() ? space : "") + response.getText().getText());
      space = " ";
    } else if (response.hasSummary()) {
      var summary = response.getSummary();
      out.printf("%n%d frames heard, %d spoken%n", summary.getFramesIn(), summary.getFramesOut());
    }
  }

  @Override public void onCompleted() { reply.complete(voice.toByteArray()); }

  @Override public void onError(Throwable error) { reply.completeExceptionally(error); }

  /** Waits for room, so that nothing piles up here; sends nothing when the call has ended. */
  private void send(ConverseRequest.Builder request) throws InterruptedException {
    while (!call.isReady() && !reply.isDone()) changes.acquire();
    if (!reply.isDone()) call.onNext(request.build());
  }

  /** Sends one frame each 80 ms, as if it were recorded now. */
  private void speak(byte[] sound) throws InterruptedException {
    var pcm = AudioEncoding.AUDIO_ENCODING_PCM_S16LE;
    var format = kaiwa.v1.Dialogue.AudioFormat.newBuilder().setEncoding(pcm);
    var config = ConverseConfig.newBuilder().setInputFormat(format).setOutputFormat(format);
    send(ConverseRequest.newBuilder().setConfig(config));
    var start = System.nanoTime();
    for (int at = 0; at < sound.length && !reply.isDone(); at += FRAME_BYTES) {
      var due = start + TimeUnit.MILLISECONDS.toNanos(at / FRAME_BYTES * FRAME_MS);
      TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
      var data = ByteString.copyFrom(sound, at, Math.min(FRAME_BYTES, sound.length - at));
      send(ConverseRequest.newBuilder().setAudio(InputAudio.newBuilder().setData(data)));
    }
    call.onCompleted();
  }

  private static void fail(String why) {
    System.err.println(why);
    System.exit(1);
  }

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 2) fail("usage: talk question.wav reply.wav [host:port]");
    var target = arguments.length > 2 ? arguments[2] : "127.0.0.1:50051";
    try (var question = AudioSystem.getAudioInputStream(new File(arguments[0]))) {
      if (!question.getFormat().matches(WAV)) fail("the question must be 16-bit mono at 24 kHz");
      var samples = question.readAllBytes();
      var talk = new Talk();
      var channel = ManagedChannelBuilder.forTarget(target).usePlaintext().build();
      DialogueServiceGrpc.newStub(channel).converse(talk);
      talk.speak(Arrays.copyOf(samples, samples.length + SILENCE_FRAMES * FRAME_BYTES));
      var voice = new ByteArrayInputStream(talk.reply.get());
      var frames = new AudioInputStream(voice, WAV, voice.available() / WAV.getFrameSize());
      AudioSystem.write(frames, AudioFileFormat.Type.WAVE, new File(arguments[1]));
    } catch (ExecutionException error) {
      var key = Metadata.Key.of("kaiwa-reason", Metadata.ASCII_STRING_MARSHALLER);
      var reason = Status.trailersFromThrowable(error).get(key);
      fail((reason == null ? "" : reason + ": ") + error.getCause().getMessage());
    } catch (IOException | UnsupportedAudioFileException error) {
      fail(error.getMessage());
    }
  }
}
