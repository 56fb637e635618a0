// Talk plays a WAV file to Moshi as if it were spoken now, prints Moshi's words as they come and
// writes its voice to another WAV file. Sound travels as 16-bit samples: no Opus library is needed.
//
//	go run ./examples/talk question.wav reply.wav [127.0.0.1:50051]
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	kaiwav1 "kaiwa/v1"
)

const (
	frameMs       = 80
	frameBytes    = 2 * 1920
	silenceFrames = 5_000 / frameMs // as long as an answer may take
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// wav gives the file of 16-bit mono samples at 24 kHz.
func wav(samples []byte) []byte {
	file := bytes.NewBufferString("RIFF")
	for _, field := range []any{
		uint32(36 + len(samples)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1),
		uint32(24_000), uint32(48_000), uint16(2), uint16(16), []byte("data"), uint32(len(samples)),
	} {
		check(binary.Write(file, binary.LittleEndian, field))
	}
	return append(file.Bytes(), samples...)
}

// speak sends one frame each 80 ms. Its errors mean that the call has ended, and listen says why.
func speak(call kaiwav1.DialogueService_ConverseClient, sound []byte) {
	format := &kaiwav1.AudioFormat{Encoding: kaiwav1.AudioEncoding_AUDIO_ENCODING_PCM_S16LE}
	config := &kaiwav1.ConverseConfig{InputFormat: format, OutputFormat: format}
	call.Send(&kaiwav1.ConverseRequest{Request: &kaiwav1.ConverseRequest_Config{Config: config}})
	for ticker := time.NewTicker(frameMs * time.Millisecond); len(sound) > 0; <-ticker.C {
		audio := &kaiwav1.InputAudio{Data: sound[:min(frameBytes, len(sound))]}
		call.Send(&kaiwav1.ConverseRequest{Request: &kaiwav1.ConverseRequest_Audio{Audio: audio}})
		sound = sound[len(audio.Data):]
	}
	call.CloseSend()
}

// listen prints words as they come and gives Moshi's voice when the conversation has ended.
func listen(call kaiwav1.DialogueService_ConverseClient) (voice []byte) {
	for space := ""; ; {
		response, err := call.Recv()
		if err == io.EOF {
			return voice
		} else if err != nil {
			log.Fatalf("%v: %v", call.Trailer().Get("kaiwa-reason"), err)
		}
		voice = append(voice, response.GetAudio().GetData()...)
		if response.GetText().GetStartsWord() {
			fmt.Print(space)
			space = " "
		}
		fmt.Print(response.GetText().GetText())
		if summary := response.GetSummary(); summary != nil {
			fmt.Printf("\n%d frames heard, %d spoken\n", summary.FramesIn, summary.FramesOut)
		}
	}
}

func main() {
	arguments := append(os.Args[1:], "127.0.0.1:50051")
	if len(arguments) < 3 {
		log.Fatal("usage: talk question.wav reply.wav [host:port]")
	}
	question, err := os.ReadFile(arguments[0])
	check(err)
	start := bytes.Index(question, []byte("data")) + 8
	if start < 44 || !bytes.Equal(question[8:36], wav(nil)[8:36]) {
		log.Fatal("the question must be a WAV file of 16-bit mono samples at 24 kHz")
	}
	channel, err := grpc.Dial(arguments[2], grpc.WithInsecure())
	check(err)
	call, err := kaiwav1.NewDialogueServiceClient(channel).Converse(context.Background())
	check(err)
	go speak(call, append(question[start:], make([]byte, silenceFrames*frameBytes)...))
	check(os.WriteFile(arguments[1], wav(listen(call)), 0o644))
}
