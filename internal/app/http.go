package app

import "context"

func (a *App) startHTTP(context.Context) error { return nil }
