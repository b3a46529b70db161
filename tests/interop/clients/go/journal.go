package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	tick        = 50 * time.Millisecond
	inFlightMax = 300
)

var padding = " " + strings.Repeat(".", 60)

// journal is a producer and a consumer of a replicated topic.
type journal struct {
	bootstrap, topic, name, acks string
	partitions                   int
	rate                         float64
	printing                     sync.Mutex
	inFlight                     atomic.Int64
}

func newJournal(args []string) (*journal, error) {
	partitions, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	rate, err := strconv.ParseFloat(args[4], 64)
	if err != nil {
		return nil, err
	}
	return &journal{
		bootstrap: args[0], topic: args[1], partitions: partitions, name: args[3], rate: rate, acks: args[5],
	}, nil
}

func (j *journal) say(words ...any) {
	j.printing.Lock()
	defer j.printing.Unlock()
	fmt.Fprintln(out, words...)
	out.Flush()
}

// patience: clients meet brokers that are paused, and must not wait for half a minute.
func (j *journal) patience() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(strings.Split(j.bootstrap, ",")...),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		kgo.RequestTimeoutOverhead(3 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}
}

func (j *journal) run() error {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	ends := make(chan []int64, 1)
	read := make(chan error, 1)
	go func() { read <- j.read(ends) }()
	if err := j.write(ended); err != nil {
		return err
	}
	found, err := j.ends()
	if err != nil {
		return err
	}
	ends <- found
	if err := <-read; err != nil {
		return err
	}
	j.say("closed")
	return nil
}

func (j *journal) write(ended chan struct{}) error {
	options := append(j.patience(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProduceRequestTimeout(2*time.Second),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
	if j.acks == "1" {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	due, number := 0.0, 0
	for {
		select {
		case <-ended:
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			return client.Flush(ctx)
		case <-time.After(tick):
		}
		for due += j.rate * tick.Seconds(); due >= 1; due-- {
			if j.inFlight.Load() < inFlightMax {
				j.send(client, number)
				number++
			}
		}
	}
}

func (j *journal) send(client *kgo.Client, number int) {
	partition := number % j.partitions
	value := fmt.Sprintf("%s-%d-%d", j.name, partition, number)
	record := &kgo.Record{Topic: j.topic, Partition: int32(partition), Value: []byte(value + padding)}
	j.inFlight.Add(1)
	client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		j.inFlight.Add(-1)
		if err != nil {
			j.say("failed", partition, value, strings.ReplaceAll(err.Error(), " ", "_"))
		} else {
			j.say("acknowledged", partition, r.Offset, value)
		}
	})
}

func (j *journal) read(ends chan []int64) error {
	offsets := map[int32]kgo.Offset{}
	for partition := range j.partitions {
		offsets[int32(partition)] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(append(j.patience(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{j.topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(200*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	next := make([]int64, j.partitions)
	var until []int64
	for until == nil || !reached(next, until) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		fetches.EachError(func(_ string, partition int32, err error) {
			var lost *kgo.ErrDataLoss
			if errors.As(err, &lost) || errors.Is(err, kerr.OffsetOutOfRange) {
				j.say("odd", partition, err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			value, _, _ := strings.Cut(string(r.Value), " ")
			j.say("read", r.Partition, r.Offset, value)
			next[r.Partition] = r.Offset + 1
		})
		select {
		case until = <-ends:
		default:
		}
	}
	return nil
}

func reached(next, until []int64) bool {
	for partition, end := range until {
		if next[partition] < end {
			return false
		}
	}
	return true
}

func (j *journal) ends() ([]int64, error) {
	client, err := kgo.NewClient(j.patience()...)
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(client)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	listed, err := admin.ListEndOffsets(ctx, j.topic)
	if err != nil {
		return nil, err
	}
	if err := listed.Error(); err != nil {
		return nil, err
	}
	ends := make([]int64, j.partitions)
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}
