package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (a *adminCalls) groups(bootstrap string) error {
	member, err := committedMember(a.ctx, []kgo.Opt{kgo.SeedBrokers(bootstrap)}, readGroup{kadmGroup, kadmTopic, 4})
	if err != nil {
		return err
	}
	a.show("coordinator", func() (any, error) {
		found := a.admin.FindGroupCoordinators(a.ctx, kadmGroup)
		return found[kadmGroup].NodeID, found.Error()
	})
	a.show("groups", func() (any, error) {
		listed, err := a.admin.ListGroups(a.ctx, "Stable")
		group := listed[kadmGroup]
		return fmt.Sprint(group.Group, " ", group.ProtocolType, " ", group.State), err
	})
	a.show("groups of the consumer protocol", func() (any, error) {
		listed, err := a.admin.ListGroupsByType(a.ctx, []string{"consumer"})
		return len(listed), err
	})
	a.show("group", func() (any, error) {
		described, err := a.admin.DescribeGroups(a.ctx, kadmGroup)
		group := described[kadmGroup]
		return fmt.Sprint(group.State, " ", group.ProtocolType, " ", group.Protocol, " members ", len(group.Members), " ",
			group.AssignedPartitions()[kadmTopic]), errors.Join(err, group.Err)
	})
	a.show("lag", func() (any, error) {
		lags, err := a.admin.Lag(a.ctx, kadmGroup)
		return lags[kadmGroup].Lag.Total(), errors.Join(err, lags.Error())
	})
	a.show("offsets", func() (any, error) { return a.offsets() })
	member.Close()
	a.show("commit offsets", func() (any, error) {
		committed := kadm.Offsets{}
		committed.AddOffset(kadmTopic, 1, 1, -1)
		res, err := a.admin.CommitOffsets(a.ctx, kadmGroup, committed)
		return "done", errors.Join(err, res.Error())
	})
	a.show("offsets, committed", func() (any, error) { return a.offsets() })
	a.show("lag without members", func() (any, error) {
		lags, err := a.admin.Lag(a.ctx, kadmGroup)
		return fmt.Sprint(lags[kadmGroup].State, " ", lags[kadmGroup].Lag.Total()), errors.Join(err, lags.Error())
	})
	a.show("delete offsets", func() (any, error) {
		res, err := a.admin.DeleteOffsets(a.ctx, kadmGroup, kadm.TopicsSet{kadmTopic: {1: {}}})
		return "done", errors.Join(err, res.Error())
	})
	a.show("remove an absent member", func() (any, error) {
		res, err := a.admin.LeaveGroup(a.ctx, kadm.LeaveGroup(kadmGroup).InstanceIDs("absent").Reason("test"))
		return res["absent"].Err, err
	})
	a.show("delete groups", func() (any, error) {
		res, err := a.admin.DeleteGroups(a.ctx, kadmGroup, "kadm-absent")
		return fmt.Sprint(res[kadmGroup].Err, "; ", res["kadm-absent"].Err), err
	})
	return nil
}

func (a *adminCalls) offsets() (any, error) {
	found, err := a.admin.FetchOffsets(a.ctx, kadmGroup)
	shown := []string{}
	found.Each(func(o kadm.OffsetResponse) { shown = append(shown, fmt.Sprint(o.Partition, " at ", o.At)) })
	slices.Sort(shown)
	return strings.Join(shown, ", "), errors.Join(err, found.Error())
}
