// The load of bench-limit for NATS JetStream: a file-backed work queue whose messages are
// acknowledged one by one. The same load, flags and report as the drivers in C++ (peer.h), in Go
// because that is the language of the client that NATS keeps up to date.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	stream  = "load"
	subject = "load.m"
	// Atomic batches that one stream has under way at once.
	batchesInFlight = 4
	// A publisher that meets the window waits for it, however slow the disk is.
	patience = time.Minute
)

type load struct {
	messages, size, window, batch int
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "bench-nats: "+format+"\n", arguments...)
	os.Exit(1)
}

func check(err error, doing string) {
	if err != nil {
		fail("%s: %v", doing, err)
	}
}

func connect(port, window int) jetstream.JetStream {
	connection, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", port))
	check(err, "connecting")
	js, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(window))
	check(err, "opening JetStream")
	return js
}

// Every message begins with its number.
func message(number, size int) []byte {
	data := make([]byte, size)
	binary.LittleEndian.PutUint64(data, uint64(number))
	return data
}

func publishEach(js jetstream.JetStream, l load) {
	futures := make(chan jetstream.PubAckFuture, l.window)
	var acknowledged sync.WaitGroup
	acknowledged.Add(1)
	go func() {
		defer acknowledged.Done()
		for future := range futures {
			select {
			case <-future.Ok():
			case err := <-future.Err():
				fail("publishing: %v", err)
			}
		}
	}()
	for number := range l.messages {
		future, err := js.PublishAsync(subject, message(number, l.size),
			jetstream.WithStallWait(patience))
		check(err, "publishing")
		futures <- future
	}
	close(futures)
	acknowledged.Wait()
}

// One atomic batch of messages [first, end).
func publishBatch(js jetstream.JetStream, l load, first, end int) {
	publisher, err := jetstreamext.NewBatchPublisher(js)
	check(err, "beginning a batch")
	for number := first; number < end-1; number++ {
		check(publisher.Add(subject, message(number, l.size)), "adding to a batch")
	}
	context, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	acknowledged, err := publisher.Commit(context, subject, message(end-1, l.size))
	check(err, "committing a batch")
	if acknowledged.BatchSize != uint64(end-first) {
		fail("a batch of %d was stored as %d", end-first, acknowledged.BatchSize)
	}
}

func publishBatches(js jetstream.JetStream, l load) {
	firsts := make(chan int)
	var workers sync.WaitGroup
	for range batchesInFlight {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for first := range firsts {
				publishBatch(js, l, first, min(first+l.batch, l.messages))
			}
		}()
	}
	for first := 0; first < l.messages; first += l.batch {
		firsts <- first
	}
	close(firsts)
	workers.Wait()
}

// Acknowledges each message; returns when the server has taken the last acknowledgement, and so all
// before it on the same connection.
func consume(consumer jetstream.Consumer, l load) {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(l.window))
	check(err, "consuming")
	defer messages.Stop()
	seen := make([]bool, l.messages)
	for received := 1; received <= l.messages; received++ {
		got, err := messages.Next()
		check(err, "receiving")
		if len(got.Data()) != l.size {
			fail("a message has %d bytes", len(got.Data()))
		}
		number := binary.LittleEndian.Uint64(got.Data())
		if number >= uint64(len(seen)) || seen[number] {
			fail("message %d came twice, or was never sent", number)
		}
		seen[number] = true
		if received < l.messages {
			check(got.Ack(), "acknowledging")
			continue
		}
		context, cancel := context.WithTimeout(context.Background(), patience)
		check(got.DoubleAck(context), "acknowledging the last")
		cancel()
	}
}

func makeQueue(js jetstream.JetStream, l load) jetstream.Consumer {
	_, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, Storage: jetstream.FileStorage,
		Retention: jetstream.WorkQueuePolicy, AllowAtomicPublish: l.batch > 0,
	})
	check(err, "making the stream")
	consumer, err := js.CreateConsumer(context.Background(), stream, jetstream.ConsumerConfig{
		Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 2 * l.window,
		AckWait: 10 * time.Minute,
	})
	check(err, "making the consumer")
	return consumer
}

func report(l load, published, settled time.Duration, asJSON bool) {
	perSecond := func(d time.Duration) float64 {
		return math.Round(float64(l.messages) / max(d.Seconds(), 1e-9))
	}
	setting := fmt.Sprintf("JetStream file, sync_interval always, ack each, %d in flight", l.window)
	if l.batch > 0 {
		setting = fmt.Sprintf("JetStream file, sync_interval always, atomic batches of %d, ack each",
			l.batch)
	}
	megabytes := perSecond(settled) * float64(l.size) / 1e6
	if !asJSON {
		fmt.Printf("nats (%s): %.0f messages/s published, %.0f messages/s end to end, %.1f MB/s\n",
			setting, perSecond(published), perSecond(settled), megabytes)
		return
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"system": "nats", "setting": setting, "messages": l.messages, "size_bytes": l.size,
		"fsync": true, "publish_per_second": perSecond(published),
		"end_to_end_per_second": perSecond(settled),
		"megabytes_per_second":  math.Round(megabytes*10) / 10,
	}), "reporting")
}

func main() {
	var l load
	port := flag.Int("port", 0, "where the server listens on loopback (required)")
	asJSON := flag.Bool("json", false, "print one JSON object")
	flag.IntVar(&l.messages, "messages", 100_000, "how many to send")
	flag.IntVar(&l.size, "size", 128, "bytes in a message, at least 8")
	flag.IntVar(&l.window, "window", 1000, "messages in flight")
	flag.IntVar(&l.batch, "batch", 0, "publish atomic batches of so many; 0 = one by one")
	flag.Parse()
	if *port == 0 || l.messages < 1 || l.size < 8 || l.window < 1 || l.batch < 0 {
		fail("--port is required; --messages and --window are at least 1, --size is at least 8")
	}

	consumer := makeQueue(connect(*port, l.window), l)
	producer := connect(*port, l.window)
	begin := time.Now()
	var consuming sync.WaitGroup
	consuming.Add(1)
	go func() {
		defer consuming.Done()
		consume(consumer, l)
	}()
	if l.batch > 0 {
		publishBatches(producer, l)
	} else {
		publishEach(producer, l)
	}
	published := time.Since(begin)
	consuming.Wait()
	report(l, published, time.Since(begin), *asJSON)
}
