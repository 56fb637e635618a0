// Plays a WAV file to Moshi as if it were spoken now, prints Moshi's words as they come and writes
// its voice to another WAV file. Sound travels as 16-bit samples: no Opus library is needed.
//
//   talk question.wav reply.wav [127.0.0.1:50051]
#include <chrono>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "grpcpp/grpcpp.h"
#include "kaiwa/v1/dialogue.grpc.pb.h"

namespace v1 = kaiwa::v1;
using namespace std::chrono_literals;
using Call = grpc::ClientReaderWriter<v1::ConverseRequest, v1::ConverseResponse>;

constexpr auto kFrame = 80ms;
constexpr std::size_t kFrameBytes = 2 * 1920;
constexpr std::size_t kSilenceBytes = 5s / kFrame * kFrameBytes;  // as long as an answer may take

// Gives a number as WAV files have it: 32 bits, the lowest byte first.
std::string number(std::size_t n) { return {char(n), char(n >> 8), char(n >> 16), char(n >> 24)}; }

// Gives the file of these 16-bit mono samples at 24 kHz. Its numbers of 16 bits go in pairs: PCM
// and one channel; bytes and bits of a sample.
std::string wav(const std::string& samples) {
  return "RIFF" + number(36 + samples.size()) + "WAVEfmt " + number(16) + number(1 | 1 << 16) +
         number(24'000) + number(48'000) + number(2 | 16 << 16) + "data" + number(samples.size()) +
         samples;
}

std::string read_wav(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  const auto data = bytes.find("data", 36);
  if (data == std::string::npos || bytes.compare(8, 28, wav(""), 8, 28) != 0)
    throw std::runtime_error("cannot read " + path + " as 16-bit mono samples at 24 kHz");
  return bytes.substr(data + 8);
}

// Sends one frame each 80 ms, until the sound or the call has ended.
void speak(Call& call, const std::string& sound) {
  v1::ConverseRequest request;
  auto& config = *request.mutable_config();
  config.mutable_input_format()->set_encoding(v1::AUDIO_ENCODING_PCM_S16LE);
  config.mutable_output_format()->set_encoding(v1::AUDIO_ENCODING_PCM_S16LE);
  bool open = call.Write(request);
  auto due = std::chrono::steady_clock::now();
  for (std::size_t at = 0; open && at < sound.size(); at += kFrameBytes, due += kFrame) {
    std::this_thread::sleep_until(due);
    request.mutable_audio()->set_data(sound.substr(at, kFrameBytes));
    open = call.Write(request);
  }
  call.WritesDone();
}

// Prints words as they come; gives Moshi's voice when the call has ended.
std::string listen(Call& call) {
  std::string voice;
  v1::ConverseResponse response;
  for (auto space = ""; call.Read(&response);) {
    voice += response.audio().data();
    if (const auto& text = response.text(); response.has_text()) {
      std::cout << (text.starts_word() ? space : "") << text.text() << std::flush;
      space = " ";
    } else if (const auto& end = response.summary(); response.has_summary()) {
      std::cout << "\n" << end.frames_in() << " frames heard, " << end.frames_out() << " spoken\n";
    }
  }
  return voice;
}

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("usage: talk question.wav reply.wav [host:port]");
  const auto sound = read_wav(argv[1]) + std::string(kSilenceBytes, '\0');
  const auto target = argc > 3 ? argv[3] : "127.0.0.1:50051";
  const auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  const auto stub = v1::DialogueService::NewStub(channel);
  grpc::ClientContext context;
  const auto call = stub->Converse(&context);
  auto speaking = std::async(std::launch::async, [&] { speak(*call, sound); });
  const auto voice = listen(*call);
  speaking.get();
  if (const auto status = call->Finish(); !status.ok()) {
    std::string reason = "ERROR";
    for (const auto& [key, value] : context.GetServerTrailingMetadata())
      if (key == "kaiwa-reason") reason.assign(value.data(), value.size());
    throw std::runtime_error(reason + ": " + status.error_message());
  }
  if (std::ofstream reply(argv[2], std::ios::binary); !(reply << wav(voice) << std::flush))
    throw std::runtime_error(std::string("cannot write ") + argv[2]);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
