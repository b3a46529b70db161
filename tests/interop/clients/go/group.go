package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	sessionTimeout    = 6 * time.Second
	heartbeatInterval = 300 * time.Millisecond
)

// member has the arguments of `group` of ../README.md.
type member struct {
	bootstrap, topic, group      string
	protocol, assignor, instance string
}

// newMember reads the arguments after `group`.
func newMember(words []string) member {
	m := member{bootstrap: words[0], topic: words[1], group: words[2], protocol: "classic", assignor: "sticky"}
	for _, word := range words[3:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "protocol":
			m.protocol = value
		case "assignor":
			m.assignor = value
		case "instance":
			m.instance = value
		}
	}
	return m
}

// untilStopped returns a context that ends at SIGTERM.
func untilStopped() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM)
}

// owned holds the partitions of this member. Some libraries report all of them, others only the changes.
type owned struct {
	mutex      sync.Mutex
	partitions []int32
	// The last record of each partition that was read and is not committed. If a cooperative rebalance refuses the commit, it is repeated.
	last map[int32]*kgo.Record
}

func (o *owned) change(add, remove []int32) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.partitions = slices.DeleteFunc(o.partitions, func(p int32) bool {
		return slices.Contains(remove, p) || slices.Contains(add, p)
	})
	for _, partition := range remove {
		delete(o.last, partition)
	}
	o.partitions = append(o.partitions, add...)
	slices.Sort(o.partitions)
	say("owns " + strings.Trim(fmt.Sprint(o.partitions), "[]"))
}

// say prints a line at once: the test must know what a killed process has read.
func say(line string) {
	os.Stdout.WriteString(line + "\n")
}

var franzBalancers = map[string]func() kgo.GroupBalancer{
	"range":              kgo.RangeBalancer,
	"roundrobin":         kgo.RoundRobinBalancer,
	"sticky":             kgo.StickyBalancer,
	"cooperative-sticky": kgo.CooperativeStickyBalancer,
}

func franzGroup(m member) error {
	ctx, cancel := untilStopped()
	defer cancel()
	own := owned{last: map[int32]*kgo.Record{}}
	lost := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		own.change(nil, partitions[m.topic])
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(m.bootstrap),
		kgo.ConsumerGroup(m.group),
		kgo.ConsumeTopics(m.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.SessionTimeout(sessionTimeout),
		kgo.RebalanceTimeout(20 * time.Second),
		kgo.HeartbeatInterval(heartbeatInterval),
		kgo.Balancers(franzBalancers[m.assignor]()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			own.change(partitions[m.topic], nil)
		}),
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	}
	if m.protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	if m.instance != "" {
		options = append(options, kgo.InstanceID(m.instance))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.Canceled) {
				say("refused " + err.Error())
			}
		})
		own.mutex.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			say(fmt.Sprintf("read %d %d", r.Partition, r.Offset))
			own.last[r.Partition] = r
		})
		last := slices.Collect(maps.Values(own.last))
		own.mutex.Unlock()
		if len(last) > 0 {
			if err := client.CommitRecords(context.Background(), last...); err != nil {
				say("refused " + err.Error())
			} else {
				own.mutex.Lock()
				for _, r := range last {
					say(fmt.Sprintf("committed %d %d", r.Partition, r.Offset+1))
				}
				clear(own.last)
				own.mutex.Unlock()
			}
		}
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
	say("closed")
	return nil
}

var saramaStrategies = map[string]func() sarama.BalanceStrategy{
	"range":              sarama.NewBalanceStrategyRange,
	"roundrobin":         sarama.NewBalanceStrategyRoundRobin,
	"sticky":             sarama.NewBalanceStrategySticky,
	"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
}

func saramaGroup(m member) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = sessionTimeout
	config.Consumer.Group.Heartbeat.Interval = heartbeatInterval
	config.Consumer.Group.Rebalance.Timeout = 20 * time.Second
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{saramaStrategies[m.assignor]()}
	config.Consumer.Group.InstanceId = m.instance
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Return.Errors = true
	group, err := sarama.NewConsumerGroup([]string{m.bootstrap}, m.group, config)
	if err != nil {
		return err
	}
	go func() {
		for err := range group.Errors() {
			say("refused " + strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}()
	ctx, cancel := untilStopped()
	defer cancel()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{m.topic}, &saramaHandler{topic: m.topic}); err != nil {
			say("refused " + err.Error())
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	say("closed")
	return nil
}

// saramaHandler is one session: from an assignment to the next.
type saramaHandler struct {
	topic string
	own   owned
}

func (h *saramaHandler) Setup(session sarama.ConsumerGroupSession) error {
	h.own.change(session.Claims()[h.topic], nil)
	return nil
}

func (h *saramaHandler) Cleanup(sarama.ConsumerGroupSession) error {
	h.own.change(nil, h.own.partitions)
	return nil
}

func (h *saramaHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			say(fmt.Sprintf("read %d %d", message.Partition, message.Offset))
			session.MarkMessage(message, "")
			session.Commit() // says nothing; refusals come through Errors
		case <-session.Context().Done():
			return nil
		}
	}
}
