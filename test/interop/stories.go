package main

// stories are told in this order.
var stories = collect(sippStories, kamailioStories, browserStories, linphoneStories, baresipStories)

func collect(lists ...[]story) (all []story) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
