package queues

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Service carries out the queue jobs.
type Service struct{ store Store }

// NewService works on a store.
func NewService(s Store) *Service { return &Service{store: s} }

// Distribute offers the waiting calls of a queue to its free agents. A queue
// that is gone has nobody waiting.
func (s *Service) Distribute(ctx context.Context, queue string, now time.Time) ([]Offer, error) {
	offers, err := s.store.Decide(ctx, queue, now, Match)
	if err != nil {
		var unknown *UnknownError
		if errors.As(err, &unknown) {
			return nil, nil
		}
		return nil, fmt.Errorf("distribute %s: %w", queue, err)
	}
	return offers, nil
}

// EndWrapUp carries out WrapUpOver.
func (s *Service) EndWrapUp(ctx context.Context, j WrapUpOver, now time.Time) error {
	return s.gone(s.store.EndWrapUp(ctx, j.Agent, j.Since, now))
}

// Forgive carries out ForgiveAgent.
func (s *Service) Forgive(ctx context.Context, j ForgiveAgent, now time.Time) error {
	return s.gone(s.store.Forgive(ctx, j.Agent, j.Since, now))
}

// gone forgives a job about an agent who was deleted meanwhile.
func (s *Service) gone(err error) error {
	var unknown *UnknownError
	if errors.As(err, &unknown) {
		return nil
	}
	return err
}
