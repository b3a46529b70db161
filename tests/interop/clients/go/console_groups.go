package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *console) groups() {
	// No part of the console.
	member, err := committedMember(c.ctx, c.cl.Opts(), readGroup{consoleGroup, consoleTopic, 5})
	if err != nil {
		c.page("a member", func() (string, error) { return "", err })
		return
	}
	c.page("groups", c.groupsOverview)
	// ListTopicConsumers
	c.page("consumers of a topic", c.topicConsumers)
	c.page("edit offsets of an active group", func() (string, error) { return c.editOffsets(0) })
	member.Close()
	c.page("edit offsets to the start", func() (string, error) { return c.editOffsets(-2) })
	c.page("edit offsets to the end", func() (string, error) { return c.editOffsets(-1) })
	c.page("edit offsets to an offset", func() (string, error) { return c.editOffsets(3) })
	c.page("delete offsets", c.deleteOffsets)
	c.page("delete group", c.deleteGroup)
	c.page("delete group again", c.deleteGroup)
}

// groupsOverview is GetConsumerGroupsOverview.
func (c *console) groupsOverview() (string, error) {
	listed, err := c.admin.ListGroups(c.ctx)
	if err != nil {
		return "", err
	}
	described, err := c.admin.DescribeGroups(c.ctx, listed.Groups()...)
	if err != nil {
		return "", err
	}
	lags, err := c.groupOffsets(described.Names())
	if err != nil {
		return "", err
	}
	shown := []string{}
	for _, group := range described.Sorted() {
		if group.Err != nil {
			return "", group.Err
		}
		assigned := 0
		for _, member := range group.Members {
			if assignment, ok := member.Assigned.AsConsumer(); ok {
				for _, topic := range assignment.Topics {
					assigned += len(topic.Partitions)
				}
			}
		}
		shown = append(shown, fmt.Sprintf("%s %s %s %s members %d with %d partitions, coordinator %t, %s", group.Group, group.State,
			group.ProtocolType, group.Protocol, len(group.Members), assigned, group.Coordinator.Port > 0, lags[group.Group]))
	}
	return strings.Join(shown, "; "), nil
}

// groupOffsets is getConsumerGroupOffsets.
func (c *console) groupOffsets(groups []string) (map[string]string, error) {
	fetched := c.admin.FetchManyOffsets(c.ctx, groups...)
	if len(groups) > 0 && fetched.AllFailed() {
		return nil, errors.New("all requests for offsets of groups have failed")
	}
	topics := fetched.CommittedPartitions().Topics()
	metadata, err := c.admin.Metadata(c.ctx, topics...)
	if err != nil {
		return nil, err
	}
	ends, err := c.admin.ListEndOffsets(c.ctx, metadata.Topics.Names()...)
	if err != nil {
		return nil, err
	}
	if err := ends.Error(); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, err
	}
	lags := map[string]string{}
	for group, offsets := range fetched {
		if offsets.Err != nil {
			return nil, offsets.Err
		}
		shown := []string{}
		offsets.Fetched.Each(func(offset kadm.OffsetResponse) {
			end, _ := ends.Lookup(offset.Topic, offset.Partition)
			shown = append(shown, fmt.Sprintf("%s-%d at %d lag %d", offset.Topic, offset.Partition, offset.At, end.Offset-offset.At))
		})
		slices.Sort(shown)
		lags[group] = strings.Join(shown, ", ")
	}
	return lags, nil
}

func (c *console) topicConsumers() (string, error) {
	groups, err := c.admin.ListGroups(c.ctx)
	if err != nil {
		return "", err
	}
	lags, err := c.groupOffsets(groups.Groups())
	if err != nil {
		return "", err
	}
	shown := []string{}
	for group, lag := range lags {
		if strings.Contains(lag, consoleTopic) {
			shown = append(shown, group)
		}
	}
	return strings.Join(shown, " "), nil
}

// editOffsets is EditConsumerGroupOffsets; -2 is the start, -1 the end.
func (c *console) editOffsets(offset int64) (string, error) {
	described, err := c.admin.DescribeGroups(c.ctx, consoleGroup)
	if err != nil {
		return "", err
	}
	if state := described[consoleGroup].State; !strings.EqualFold(state, "empty") {
		return "the group is still active: " + state, nil
	}
	starts, ends, err := c.bounds()
	if err != nil {
		return "", err
	}
	topic := kmsg.OffsetCommitRequestTopic{Topic: consoleTopic}
	for id := range int32(2) {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = id, offset
		if start, exists := starts.Lookup(consoleTopic, id); exists && offset == -2 {
			partition.Offset = start.Offset
		}
		if end, exists := ends.Lookup(consoleTopic, id); exists && offset == -1 {
			partition.Offset = end.Offset
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	req := kmsg.NewOffsetCommitRequest()
	req.Group = consoleGroup
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	for _, partition := range res.Topics[0].Partitions {
		if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
			return "", err
		}
	}
	return c.groupsOverview()
}

// deleteOffsets is DeleteConsumerGroupOffsets.
func (c *console) deleteOffsets() (string, error) {
	topic := kmsg.NewOffsetDeleteRequestTopic()
	topic.Topic = consoleTopic
	for id := range int32(2) {
		topic.Partitions = append(topic.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: id})
	}
	req := kmsg.NewOffsetDeleteRequest()
	req.Group = consoleGroup
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(c.ctx, c.cl)
	if err != nil {
		return "", err
	}
	for _, partition := range res.Topics[0].Partitions {
		if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
			return "", err
		}
	}
	return c.groupsOverview()
}

// deleteGroup is DeleteConsumerGroup.
func (c *console) deleteGroup() (string, error) {
	res, err := c.admin.DeleteGroup(c.ctx, consoleGroup)
	if err != nil {
		return "", err
	}
	return "deleted", res.Err
}
